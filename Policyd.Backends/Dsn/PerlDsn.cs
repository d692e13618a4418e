using Policyd.Plugins.Sql;

namespace Policyd.Backends.Dsn;

/// <summary>
/// A data source in DBI's form, <c>dbi:DRIVER(ATTRIBUTES):REST</c>, as DBI, DBD::mysql, DBD::MariaDB, DBD::Pg and DBD::SQLite document it.
/// What is documented there is honoured, or is an error with its place; nothing is read as something else in silence.
/// </summary>
internal static class PerlDsn
{
    public const string Prefix = "dbi:";

    // Of DBI itself: what they ask for has no meaning here, or is always so.
    private static readonly HashSet<string> s_dbi = new(StringComparer.OrdinalIgnoreCase)
    {
        "RaiseError", "PrintError", "PrintWarn", "RaiseWarn", "AutoCommit", "Warn", "ShowErrorStatement", "ChopBlanks", "TraceLevel",
        "FetchHashKeyName", "LongReadLen",
        "LongTruncOk", "HandleError", "InactiveDestroy", "AutoInactiveDestroy", "RowCacheSize", "Taint", "TaintIn", "TaintOut", "Profile",
        "ReadOnly", "Callbacks",
    };

    /// <exception cref="FormatException">It is none; the message tells where, and holds no value.</exception>
    public static (SqlProvider Provider, Dictionary<string, string> Settings) Parse(string text)
    {
        var colon = text.IndexOf(':', Prefix.Length);
        var paren = text.IndexOf('(', Prefix.Length);
        var attributes = "";
        var driverEnd = colon;
        if (paren >= 0 && paren < colon)
        {
            var close = text.IndexOf("):", paren, StringComparison.Ordinal);
            driverEnd = paren;
            colon = close < 0 ? -1 : close + 1;
            attributes = close < 0 ? "" : text[(paren + 1)..close];
        }

        if (colon < 0)
        {
            throw new FormatException("a DBI data source has the form 'dbi:DRIVER:settings'; this one has no second colon");
        }

        var settings = new DsnSettings();
        var provider = Driver(text[Prefix.Length..driverEnd].Trim());
        var (at, rest) = (colon + 1, text[(colon + 1)..]);
        switch (provider)
        {
            case SqlProvider.SQLite:
                SqliteDsn.Read(settings, rest, at);
                break;
            case SqlProvider.PostgreSQL:
                PostgresDsn.Read(settings, rest, at);
                break;
            default:
                MySqlDsn.Read(settings, rest, at);
                break;
        }

        Attributes(settings, attributes, paren + 1, provider);
        if (provider == SqlProvider.MySQL)
        {
            MySqlDsn.AddOptionFiles(settings);
        }

        return (provider, settings.Values);
    }

    private static SqlProvider Driver(string name) => name.ToLowerInvariant() switch
    {
        "sqlite" => SqlProvider.SQLite,
        "pg" or "pgpp" => SqlProvider.PostgreSQL,
        "mysql" or "mariadb" or "mysqlpp" => SqlProvider.MySQL,
        _ => throw new FormatException("unknown DBI driver at character 5; known drivers: SQLite, Pg, mysql and MariaDB"),
    };

    // (RaiseError=>1,mysql_ssl=1): those of the driver mean the same as behind the colon, where the setting itself goes first.
    private static void Attributes(DsnSettings settings, string attributes, int at, SqlProvider provider)
    {
        foreach (var part in attributes.Split(','))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var key = (equals < 0 ? part : part[..equals]).Trim();
            var value = equals < 0 ? "1" : part[(equals + 1)..].TrimStart('>').Trim();
            if (key.Equals("Username", StringComparison.OrdinalIgnoreCase) || key.Equals("Password", StringComparison.OrdinalIgnoreCase))
            {
                settings.Default(key.Equals("Username", StringComparison.OrdinalIgnoreCase) ? "user" : "password", value);
            }
            else if (key.Length > 0 && !IsOfDbi(key))
            {
                var own = new DsnSettings();
                switch (provider)
                {
                    case SqlProvider.SQLite:
                        SqliteDsn.Add(own, key, value, at);
                        break;
                    case SqlProvider.PostgreSQL when !PostgresDsn.IsIgnored(key):
                        throw DsnSettings.Unknown(at, "attributes of DBI and pg_enable_utf8");
                    case SqlProvider.MySQL:
                        MySqlDsn.Add(own, key, value, at);
                        break;
                }

                foreach (var (name, text) in own.Values)
                {
                    settings.Default(name, text);
                }
            }

            at += part.Length + 1;
        }
    }

    public static bool IsOfDbi(string key) => s_dbi.Contains(key);
}

/// <summary>What has been read of a data source so far.</summary>
internal sealed class DsnSettings
{
    public Dictionary<string, string> Values { get; } = new(StringComparer.OrdinalIgnoreCase);

    public static FormatException Unknown(int at, string known) =>
        new($"the DBI data source has an unknown setting at character {at + 1}; known settings: {known}");

    public static FormatException Impossible(int at, string key, string advice) =>
        new($"the setting '{key}' at character {at + 1} is not supported: {advice}");

    public bool Has(string key) => Values.ContainsKey(key);

    public void Default(string key, string value) => Values.TryAdd(key, value);

    public void Add(string key, string value, int at)
    {
        if (!Values.TryAdd(key, value))
        {
            throw new FormatException($"the setting '{key}' at character {at + 1} is given twice");
        }
    }
}
