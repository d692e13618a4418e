using System.Text;
using Microsoft.Win32.SafeHandles;
using Policyd.Backends.Dsn;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>The option files of MySQL's client libraries.</summary>
internal sealed class OptionFileTarget() : FuzzTarget(
    "mysql-options",
    "the settings are those of a plain reader, or the file is refused with a FormatException",
    new AllocationBound(64 * 1024, 200))
{
    private const string Group = "policyd";

    private static readonly Dictionary<string, string> s_settings = new(StringComparer.Ordinal)
    {
        ["host"] = "host",
        ["port"] = "port",
        ["socket"] = "socket",
        ["database"] = "database",
        ["user"] = "user",
        ["password"] = "password",
        ["connect-timeout"] = "connect_timeout",
        ["compress"] = "compression",
        ["init-command"] = "init_command",
        ["ssl"] = "ssl",
        ["ssl-ca"] = "ssl_ca_file",
        ["ssl-cert"] = "ssl_client_cert",
        ["ssl-key"] = "ssl_client_key",
        ["ssl-verify-server-cert"] = "ssl_verify_server_cert",
    };

    private readonly SafeFileHandle _file = Unnamed();

    public override string? Missing => OperatingSystem.IsLinux() ? null : "it needs a file without a name, as Linux has it";

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "[client]\nhost = db.example\nport=3307\nuser=\"a b\"\npassword = 'p\\'w' # not a comment\n\n# comment\n; "
            + "comment\n[mysqldump]\nquick\nhost=other\n",
        "[policyd]\nloose_connect_timeout=5\nssl_ca = /ca.pem  # behind\ncompress\n[client-server]\nsocket=\\s\\t\\x\\\\\n",
        "!include /nonexistent/policyd-fuzz.cnf\n", "!includedir /nonexistent/policyd-fuzz\n[client]\nuser=x\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "[client] [policyd] [ ] host port=1 port=65536 user password= ssl-ca loose- connect_timeout=86401 = # ; \" ' \\n \\\\ \\ "
            + "!include !includedir /nonexistent/a", "\n", "\r\n", "\0", " ", "\t");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        RandomAccess.SetLength(_file, 0);
        RandomAccess.Write(_file, input, 0);
        var path = $"/proc/self/fd/{_file.DangerousGetHandle()}";
        IReadOnlyDictionary<string, string> settings;
        try
        {
            settings = meter.Run(() => MySqlOptionFile.Read(path, Group));
        }
        catch (FormatException refused)
        {
            return Outcome.Rejected(refused.Message.Replace(path, "", StringComparison.Ordinal));
        }

        var lines = new StreamReader(new MemoryStream(input)).ReadToEnd().Split(["\r\n", "\n", "\r"], StringSplitOptions.None);
        if (!lines.Any(static line => line.Trim().StartsWith('!')))
        {
            Check.Same(Texts.Of(Plain(lines)), Texts.Of(settings), "the settings");
        }

        return Outcome.Accepted(string.Join(' ', settings.Keys.Order(StringComparer.Ordinal)));
    }

    // Nothing of it is left when the process ends, however it ends.
    private static SafeFileHandle Unnamed()
    {
        var path = Path.GetTempFileName();
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        File.Delete(path);
        return file;
    }

    private static Dictionary<string, string> Plain(IEnumerable<string> lines)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        var isOurs = false;
        foreach (var line in lines.Select(static line => line.Trim()).Where(static line =>
            line.Length > 0 && line[0] != '#' && line[0] != ';'))
        {
            if (line.StartsWith('['))
            {
                var name = line.TrimStart('[');
                isOurs = name[..(name.Contains(']', StringComparison.Ordinal) ? name.IndexOf(']', StringComparison.Ordinal)
                    : name.Length)].Trim() is "client" or "client-server" or "client-mariadb" or Group;
                continue;
            }

            var parts = line.Split('=', 2);
            var option = parts[0].Trim().Replace('_', '-');
            option = option.StartsWith("loose-", StringComparison.Ordinal) ? option["loose-".Length..] : option;
            if (isOurs && s_settings.TryGetValue(option, out var setting))
            {
                settings[setting] = parts.Length == 1 ? "1" : Value(parts[1].Trim());
            }
        }

        if (settings.Keys.Any(static key => key is "ssl_ca_file" or "ssl_client_cert" or "ssl_client_key"))
        {
            settings.TryAdd("ssl", "1");
        }

        return settings;
    }

    private static string Value(string text)
    {
        if (text.Length > 1 && text[0] is '"' or '\'')
        {
            var end = text.LastIndexOf(text[0]);
            text = end == 0 ? "" : text[1..end];
        }
        else
        {
            text = text.Split('#')[0].TrimEnd();
        }

        var value = new StringBuilder();
        for (var at = 0; at < text.Length; at++)
        {
            var place = text[at] == '\\' && at + 1 < text.Length ? "btnrs\\\"'".IndexOf(text[at + 1], StringComparison.Ordinal) : -1;
            value.Append(place < 0 ? text[at] : "\b\t\n\r \\\"'"[place]);
            at += place < 0 ? 0 : 1;
        }

        return value.ToString();
    }
}
