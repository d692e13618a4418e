using System.Text;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The option files of MySQL's and MariaDB's client libraries (dev.mysql.com/doc/refman/8.0/en/option-files.html), which a data source
/// names with
/// <c>mysql_read_default_file</c> and <c>mysql_read_default_group</c>: what it does not say itself stands there. The groups that every
/// client reads count, and the named one; of an option that is given twice the later one.
/// </summary>
internal static class MySqlOptionFile
{
    // A file that includes itself ends.
    private const int MostDepth = 8;

    private static readonly string[] s_groups = ["client", "client-server", "client-mariadb"];

    // An option, and the setting of a data source that means the same. Others are for programs such as mysqldump.
    private static readonly Dictionary<string, string> s_options = new(StringComparer.Ordinal)
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

    /// <summary>The settings that stand in the files.</summary>
    /// <param name="file">The one file to read; null: those of the system and of the user, as far as there are any.</param>
    /// <param name="group">A group that counts besides those of every client.</param>
    /// <exception cref="FormatException">A file cannot be read.</exception>
    public static IReadOnlyDictionary<string, string> Read(string? file, string? group)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var groups = group is null ? s_groups : [.. s_groups, group];
        foreach (var one in file is null ? UsualFiles().Where(File.Exists) : [file])
        {
            Read(one, groups, found, 0);
        }

        if (found.Keys.Any(static name => name is "ssl_ca_file" or "ssl_client_cert" or "ssl_client_key"))
        {
            found.TryAdd("ssl", "1");
        }

        return found;
    }

    private static IEnumerable<string> UsualFiles() =>
        ["/etc/my.cnf", "/etc/mysql/my.cnf", Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".my.cnf")];

    private static void Read(string file, string[] groups, Dictionary<string, string> found, int depth)
    {
        if (depth > MostDepth)
        {
            throw new FormatException($"the option file {file} is nested more than {MostDepth} includes deep");
        }

        var counts = false;
        foreach (var line in ClientFile.Lines("option file", file, '#', ';'))
        {
            if (line[0] == '!')
            {
                foreach (var other in Included(line))
                {
                    Read(other, groups, found, depth + 1);
                }
            }
            else if (line[0] == '[')
            {
                counts = groups.Contains(line.TrimStart('[').Split(']')[0].Trim());
            }
            else if (counts)
            {
                var equals = line.IndexOf('=', StringComparison.Ordinal);
                var name = (equals < 0 ? line : line[..equals]).Trim().Replace('_', '-');
                if (s_options.TryGetValue(name.StartsWith("loose-", StringComparison.Ordinal) ? name[6..] : name, out var setting))
                {
                    var value = equals < 0 ? "1" : Value(line[(equals + 1)..].Trim());
                    MySqlDsn.CheckNumber(setting, value, $"in {file}");
                    found[setting] = value;
                }
            }
        }
    }

    private static IEnumerable<string> Included(string line)
    {
        var words = line.Split([' ', '\t'], 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            ["!include", var file] => [file],
            ["!includedir", var folder] =>
                Directory.Exists(folder) ? Directory.GetFiles(folder, "*.cnf").Order(StringComparer.Ordinal) : [],
            _ => [],
        };
    }

    // In quotes, or up to a comment; with the escapes of the libraries.
    private static string Value(string text)
    {
        var quote = text.Length > 1 && text[0] is '"' or '\'' ? text[0] : '\0';
        var end = quote == '\0' ? text.IndexOf('#', StringComparison.Ordinal) : text.LastIndexOf(quote);
        text = quote == '\0' ? (end < 0 ? text : text[..end].TrimEnd()) : text[1..Math.Max(1, end)];
        var value = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            var escaped = text[at] == '\\' && at + 1 < text.Length ? Unescaped(text[at + 1]) : null;
            value.Append(escaped ?? text[at]);
            at += escaped is null ? 0 : 1;
        }

        return value.ToString();
    }

    private static char? Unescaped(char letter) => letter switch
    {
        'b' => '\b',
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        's' => ' ',
        '\\' or '"' or '\'' => letter,
        _ => null,
    };
}
