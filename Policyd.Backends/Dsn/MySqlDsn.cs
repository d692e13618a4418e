using System.Globalization;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The data sources of DBD::mysql and DBD::MariaDB: settings between semicolons or colons; values without a name are database, host and
/// port in this order; an IPv6 address stands in brackets. Settings may have the prefix of either driver.
/// </summary>
internal static class MySqlDsn
{
    private const string Known =
        "database (db, dbname), host (hostname), port, user, password, and with the prefix mysql_ or mariadb_ socket, ssl, "
            + "ssl_ca_file, ssl_client_key, "
            + "ssl_client_cert, ssl_verify_server_cert, ssl_optional, connect_timeout, read_timeout, write_timeout, compression, "
            + "init_command, server_pubkey, get_server_pubkey, read_default_file, read_default_group";

    private static readonly string[] s_inOrder = ["database", "host", "port"];
    private static readonly string[] s_prefixes = ["mysql_", "mariadb_"];

    private static readonly HashSet<string> s_honoured = new(StringComparer.Ordinal)
    {
        "socket", "ssl", "ssl_ca_file", "ssl_client_key", "ssl_client_cert", "ssl_verify_server_cert", "ssl_optional", "connect_timeout",
        "read_timeout",
        "write_timeout", "compression", "init_command", "server_pubkey", "get_server_pubkey", "read_default_file", "read_default_group",
    };

    // How the Perl driver works inside, or what is always so here.
    private static readonly HashSet<string> s_ignored = new(StringComparer.Ordinal)
    {
        "enable_utf8", "enable_utf8mb4", "auto_reconnect", "multi_statements", "server_prepare", "server_prepare_disable_fallback",
        "bind_type_guessing",
        "bind_comment_placeholders", "no_autocommit_cmd", "client_found_rows", "use_result", "local_infile", "max_allowed_packet",
    };

    public static void Read(DsnSettings settings, string rest, int at)
    {
        var (isPortOfHost, start) = (false, 0);
        var skipped = new HashSet<string>(StringComparer.Ordinal);
        while (start < rest.Length)
        {
            var end = EndOfPart(rest, start);
            var part = rest[start..end].Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Trim();
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals >= 0)
            {
                var key = part[..equals].Trim().ToLowerInvariant();
                Add(settings, key, part[(equals + 1)..].Trim(), at + start);
                isPortOfHost = key is "host" or "hostname" && end < rest.Length && rest[end] == ':';
            }
            else if (part.Length > 0)
            {
                // host=H:3307 is documented; otherwise what stands without a name is the first of the three that is not known yet.
                var name = isPortOfHost && !settings.Has("port") ? "port" : Next();
                Add(settings, name ?? throw DsnSettings.Unknown(at + start, Known), part, at + start);
                isPortOfHost = false;
            }
            else if (Next() is { } unnamed)
            {
                skipped.Add(unnamed);
            }

            start = end + 1;
        }

        string? Next() => Array.Find(s_inOrder, one => !settings.Has(one) && !skipped.Contains(one));
    }

    public static void Add(DsnSettings settings, string key, string value, int at)
    {
        key = key.ToLowerInvariant();
        var name = key switch { "hostname" => "host", "db" or "dbname" => "database", _ => key };
        if (Array.Find(s_prefixes, prefix => name.StartsWith(prefix, StringComparison.Ordinal)) is { } prefix)
        {
            name = name[prefix.Length..];
            if (s_ignored.Contains(name))
            {
                return;
            }

            Refuse(key, name, value, at);
        }
        else if (name is not ("database" or "host" or "port" or "user" or "password"))
        {
            if (PerlDsn.IsOfDbi(key))
            {
                return;
            }

            throw DsnSettings.Unknown(at, Known);
        }

        CheckNumber(name, value, $"at character {at + 1}");
        if (name == "host" && value == "embedded")
        {
            throw DsnSettings.Impossible(at, key, "policyd has no embedded server");
        }

        settings.Add(name, value, at);
    }

    private static void Refuse(string key, string name, string value, int at)
    {
        var isOn = value is not ("" or "0");
        switch (name)
        {
            case "ssl_ca_path":
                throw DsnSettings.Impossible(at, key, "use ssl_ca_file with one file");
            case "ssl_cipher":
                throw DsnSettings.Impossible(at, key, "the ciphers are those of the system's TLS policy");
            case "skip_secure_auth" when isOn:
                throw DsnSettings.Impossible(at, key, "the password hash of MySQL before 4.1 is not supported");
            case "embedded_options" or "embedded_groups":
                throw DsnSettings.Impossible(at, key, "policyd has no embedded server");
            case "conn_attrs":
                throw DsnSettings.Impossible(at, key, "a data source cannot contain attributes of the connection");
            case "skip_secure_auth":
                break;
            default:
                if (!s_honoured.Contains(name))
                {
                    throw DsnSettings.Unknown(at, Known);
                }

                break;
        }
    }

    /// <summary>What the data source does not say itself and an option file that it names does.</summary>
    public static void AddOptionFiles(DsnSettings settings)
    {
        var file = settings.Values.GetValueOrDefault("read_default_file");
        var group = settings.Values.GetValueOrDefault("read_default_group");
        if (file is { Length: > 0 } || group is { Length: > 0 })
        {
            foreach (var (name, value) in MySqlOptionFile.Read(file is { Length: > 0 } ? file : null, group))
            {
                settings.Default(name, value);
            }
        }
    }

    /// <exception cref="FormatException">The setting is a number, and the value is none that it takes.</exception>
    public static void CheckNumber(string name, string value, string where)
    {
        if (name == "port" && (!ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0))
        {
            throw new FormatException($"the port {where} is not a number from 1 to 65535");
        }

        if (name.EndsWith("_timeout", StringComparison.Ordinal)
            && (!uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > 86400))
        {
            throw new FormatException($"the time {where} is not a number of seconds up to 86400");
        }
    }

    // To the next colon or semicolon, those in brackets left out.
    private static int EndOfPart(string rest, int start)
    {
        var end = rest.IndexOfAny([':', ';'], start);
        var bracket = rest.IndexOf('[', start);
        if (bracket >= 0 && bracket < end && rest.IndexOf(']', bracket) is > 0 and var close)
        {
            end = rest.IndexOfAny([':', ';'], close);
        }

        return end < 0 ? rest.Length : end;
    }
}
