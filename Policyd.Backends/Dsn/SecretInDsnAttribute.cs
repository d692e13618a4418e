using System.Text;
using System.Text.RegularExpressions;
using Policyd.Configuration.Options;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The option is a data source, in DBI's form or .NET's. Only settings that say where the database is and how it is reached are shown;
/// the value of any other is hidden, and so is text that is no setting: it may be a piece of a password that holds a semicolon.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed partial class SecretInDsnAttribute : SecretOptionAttribute
{
    private static readonly HashSet<string> s_open = new(StringComparer.OrdinalIgnoreCase)
    {
        "database", "dbname", "db", "initial catalog", "data source", "datasource", "filename", "mode", "cache", "default timeout",
        "foreign keys",
        "host", "hostname", "hostaddr", "server", "address", "addr", "network address", "port", "protocol", "connectionprotocol",
        "connection protocol",
        "user", "username", "user id", "userid", "uid", "user name",
        "sslmode", "ssl mode", "mysql_ssl", "mariadb_ssl", "mysql_socket", "mariadb_socket", "timeout", "connect_timeout",
        "connect timeout",
        "connection timeout", "connectiontimeout", "mysql_connect_timeout", "mariadb_connect_timeout", "command timeout", "pooling",
        "maximum pool size",
        "minimum pool size", "max pool size", "min pool size", "charset", "character set", "search path", "timezone", "max auto prepare",
        "application name",
    };

    /// <inheritdoc/>
    /// <remarks>The types of data sources never quote a value: their messages name a character's place.</remarks>
    public override bool MessagesAreSafe => true;

    /// <inheritdoc/>
    public override string Hide(string value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return "";
        }

        var dbi = Driver().Match(value);
        var shown = new StringBuilder(dbi.Groups["driver"].Value);
        if (dbi.Groups["attributes"].Success)
        {
            shown.Append('(').Append(Mask).Append(')');
        }

        shown.Append(dbi.Success ? ":" : "");
        var form = Form(dbi.Groups["driver"].Value);
        var parts = Parts(value[dbi.Length..], form);
        shown.AppendJoin(';', parts.Select((part, index) => Part(part, form, isDatabase: index == 0 && dbi.Success)));
        return shown.ToString();
    }

    private static DsnForm Form(string driver) => driver.ToUpperInvariant() switch
    {
        "DBI:PG" => DsnForm.Pg,
        "DBI:MYSQL" or "DBI:MARIADB" => DsnForm.MySql,
        _ => DsnForm.Semicolons,
    };

    private static string Part(string part, DsnForm form, bool isDatabase)
    {
        var equals = part.IndexOf('=');
        if (part.Trim().Length == 0 || (isDatabase && equals < 0 && !part.Contains('@', StringComparison.Ordinal)))
        {
            return part;
        }

        // A value that holds a second = may hold a second setting, where the driver knows more separators or takes a quote for a letter.
        var isOne = !part[(equals + 1)..].Contains('=', StringComparison.Ordinal)
            || (form == DsnForm.Semicolons && !part.AsSpan().ContainsAny('"', '\''));
        return equals > 0 && isOne && s_open.Contains(part[..equals].Trim()) && !part.Contains("://", StringComparison.Ordinal) ? part
            : equals > 0 && Name().IsMatch(part[..equals]) && IsSecretName(part[..equals]) ? $"{part[..equals]}={Mask}"
            : Mask;
    }

    // The name of a setting that nobody knows may itself be a piece of a password.
    private static bool IsSecretName(string name) =>
        name.Replace(" ", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToLowerInvariant() is
            "password" or "pwd" or "pass" or "passfile" or "passphrase" or "sslpassword" or "certificatepassword" or "options";

    // DBD::Pg separates settings by spaces, too, and DBD::mysql by colons. Within quotes nothing ends a setting; quotes that are not closed
    // hold all the rest.
    private static List<string> Parts(string text, DsnForm form)
    {
        var parts = new List<string>();
        var begin = 0;
        var quote = '\0';
        for (var at = 0; at < text.Length; at++)
        {
            var c = text[at];
            if (form == DsnForm.Pg && c == '\\')
            {
                at++;   // what it stands before is no quote and no space
            }
            else if (quote != '\0')
            {
                quote = c == quote ? '\0' : quote;
            }
            else if (c is '"' or '\'')
            {
                quote = c;
            }
            else if (c == ';'
                || (form == DsnForm.Pg && char.IsWhiteSpace(c))
                || (form == DsnForm.MySql && c == ':' && !IsInBrackets(text, at)))
            {
                parts.Add(text[begin..at]);
                begin = at + 1;
            }
        }

        parts.Add(text[begin..]);
        return parts;
    }

    // An IPv6 address has colons of its own.
    private static bool IsInBrackets(string text, int at) => text.LastIndexOf('[', at) is >= 0 and var open
        && text.IndexOf(']', open) > at
        && !text.AsSpan(open, at - open).ContainsAny(';', '=');

    [GeneratedRegex(
        @"\A(?<driver>dbi:[A-Za-z0-9_]+)(?:\((?<attributes>[^)]*)\))?:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Driver();

    [GeneratedRegex(@"\A\s*[A-Za-z_ ]+\s*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    // What separates settings.
    private enum DsnForm
    {
        Semicolons,
        Pg,
        MySql,
    }
}
