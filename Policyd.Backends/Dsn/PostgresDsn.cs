using System.Globalization;
using System.Text;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The data sources of DBD::Pg: a connection string of libpq (postgresql.org/docs/current/libpq-connect.html, "Keyword/Value Connection
/// Strings") with semicolons as well as spaces between its settings, double quotes as well as single ones, and <c>db</c> and
/// <c>database</c> for
/// <c>dbname</c>. A <c>service</c> is looked up in its file; the environment variables that DBD::Pg names stand in for what is not given.
/// </summary>
internal static class PostgresDsn
{
    private const string Known =
        "dbname (db, database), host, hostaddr, port, user (username), password, options, service, sslmode, sslcert, "
            + "sslkey, sslpassword, sslrootcert, "
            + "connect_timeout, application_name, passfile, keepalives, keepalives_idle, keepalives_interval, "
            + "target_session_attrs, channel_binding, krbsrvname";

    private static readonly HashSet<string> s_honoured = new(StringComparer.Ordinal)
    {
        "database", "host", "hostaddr", "port", "user", "password", "options", "service", "sslmode", "sslcert", "sslkey", "sslpassword",
        "sslrootcert", "connect_timeout",
        "application_name", "passfile", "keepalives", "keepalives_idle", "keepalives_interval", "target_session_attrs", "channel_binding",
        "krbsrvname",
    };

    // How libpq works inside, or what is always so here.
    private static readonly HashSet<string> s_ignored = new(StringComparer.OrdinalIgnoreCase)
    {
        "pg_enable_utf8", "client_encoding", "sslcompression", "keepalives_count", "sslsni", "dbd_verbose"
    };

    private static readonly (string Key, string Variable)[] s_environment =
    [
        ("host", "PGHOST"), ("hostaddr", "PGHOSTADDR"), ("port", "PGPORT"), ("database", "PGDATABASE"), ("user", "PGUSER"), (
            "password", "PGPASSWORD"),
        ("options", "PGOPTIONS"), ("service", "PGSERVICE"), ("sslmode", "PGSSLMODE"),
    ];

    public static bool IsIgnored(string key) => s_ignored.Contains(key);

    public static void Read(DsnSettings settings, string rest, int at)
    {
        if (rest.Length > 0 && !rest.Contains('=', StringComparison.Ordinal) && !rest.AsSpan().ContainsAny(" ;\t"))
        {
            Check("database", rest, at);
            settings.Add("database", rest, at);
        }
        else
        {
            ReadPairs(settings, rest, at);
        }

        if (!settings.Has("service") && Environment.GetEnvironmentVariable("PGSERVICE") is { Length: > 0 } usual)
        {
            settings.Default("service", usual);
        }

        if (settings.Values.GetValueOrDefault("service") is { } service)
        {
            foreach (var (key, value) in PgServiceFile.Read(service))
            {
                var name = NameOf(key);
                Check(name, value, at);
                settings.Default(name, value);
            }
        }

        foreach (var (key, variable) in s_environment)
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value)
            {
                settings.Default(key, value);
            }
        }
    }

    private static void ReadPairs(DsnSettings settings, string rest, int at)
    {
        for (var i = SkipBetween(rest, 0); i < rest.Length; i = SkipBetween(rest, i))
        {
            var start = i;
            while (i < rest.Length && rest[i] != '=' && rest[i] != ';' && !char.IsWhiteSpace(rest[i]))
            {
                i++;
            }

            var key = rest[start..i].ToLowerInvariant();
            i = SkipSpace(rest, i);
            if (i >= rest.Length || rest[i] != '=')
            {
                throw new FormatException($"the setting at character {at + start + 1} has no '='");
            }

            var value = Value(rest, SkipSpace(rest, i + 1), at, out i);
            if (!IsIgnored(key))
            {
                var name = NameOf(key);
                Check(name, value, at + start);
                settings.Add(name, value, at + start);
            }
        }
    }

    private static string Value(string rest, int i, int at, out int end)
    {
        var value = new StringBuilder();
        var start = i;
        var quote = i < rest.Length && rest[i] is '\'' or '"' ? rest[i++] : '\0';
        for (; i < rest.Length && (quote != '\0' ? rest[i] != quote : rest[i] != ';' && !char.IsWhiteSpace(rest[i])); i++)
        {
            if (rest[i] == '\\' && i + 1 < rest.Length)
            {
                i++;
            }

            value.Append(rest[i]);
        }

        if (quote != '\0' && i++ >= rest.Length)
        {
            throw new FormatException($"the quotes at character {at + start + 1} are not closed");
        }

        end = i;
        return value.ToString();
    }

    private static int SkipSpace(string rest, int i)
    {
        while (i < rest.Length && char.IsWhiteSpace(rest[i]))
        {
            i++;
        }

        return i;
    }

    private static int SkipBetween(string rest, int i)
    {
        while (i < rest.Length && (rest[i] == ';' || char.IsWhiteSpace(rest[i])))
        {
            i++;
        }

        return i;
    }

    private static string NameOf(string key) =>
        key switch { "db" or "dbname" => "database", "username" => "user", "fallback_application_name" => "application_name", _ => key };

    private static void Check(string name, string value, int at)
    {
        if (!s_honoured.Contains(name))
        {
            throw DsnSettings.Unknown(at, Known);
        }

        // libpq would take it for a whole connection string, and here it would be shown as a name, with its password.
        if (name == "database"
            && (value.StartsWith("postgresql://", StringComparison.Ordinal) || value.StartsWith("postgres://", StringComparison.Ordinal)))
        {
            throw DsnSettings.Impossible(
                at,
                "dbname",
                "it is a connection URI; write dbname=D;host=H;port=P, and set user and password as options of the connection");
        }

        if (name == "port" && !value.Split(',')
            .All(one => ushort.TryParse(one, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0))
        {
            throw new FormatException($"the port at character {at + 1} is not a number from 1 to 65535");
        }

        if (name is "connect_timeout" or "keepalives" or "keepalives_idle" or "keepalives_interval"
            && (!uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 86400))
        {
            throw new FormatException($"the setting '{name}' at character {at + 1} is not a number up to 86400");
        }

        if (name == "sslmode" && value is not ("disable" or "allow" or "prefer" or "require" or "verify-ca" or "verify-full"))
        {
            throw new FormatException(
                $"the sslmode at character {at + 1} is not valid; expected disable, allow, prefer, require, verify-ca or verify-full");
        }
    }
}
