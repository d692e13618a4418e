using System.Data.Common;
using Policyd.Configuration;

namespace Policyd.Plugins.Sql;

/// <summary>
/// The <c>dsn</c> of a Sql connection: Perl's DBI form, as mtpolicyd has it (<c>dbi:mysql:database=D;host=H</c>,
/// <c>dbi:SQLite:dbname=FILE</c>, <c>dbi:Pg:dbname=D</c>), or .NET's (<c>Data Source=var/policyd.db</c>). Its text form never shows
/// a password.
/// </summary>
public sealed class SqlDsn : IOptionValue<SqlDsn>
{
    private static readonly string[] DatabaseNames = ["database", "dbname", "db"];

    // Settings of the Perl drivers that mean nothing here: what they ask for is always so, or is the driver's own affair.
    private static readonly HashSet<string> Ignored = new(StringComparer.OrdinalIgnoreCase)
    {
        "mysql_enable_utf8", "mysql_enable_utf8mb4", "mysql_auto_reconnect", "mysql_multi_statements", "mysql_server_prepare",
        "mysql_bind_type_guessing", "mysql_client_found_rows", "mysql_use_result", "mysql_compression", "mariadb_auto_reconnect",
        "sqlite_unicode", "sqlite_use_immediate_transaction", "sqlite_see_if_its_a_number", "pg_enable_utf8",
    };

    private readonly Dictionary<string, string> _settings;

    private SqlDsn(SqlProvider? provider, bool isPerl, Dictionary<string, string> settings)
    {
        Provider = provider;
        IsPerl = isPerl;
        _settings = settings;
    }

    /// <summary>The kind of database, where the text alone tells it.</summary>
    public SqlProvider? Provider { get; }

    /// <summary>Whether it is in DBI's form.</summary>
    public bool IsPerl { get; }

    internal IReadOnlyDictionary<string, string> Settings => _settings;

    /// <inheritdoc/>
    public static bool TryParse(string text, out SqlDsn? value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        value = null;
        error = null;
        var isPerl = text.StartsWith("dbi:", StringComparison.OrdinalIgnoreCase);
        value = isPerl ? ParsePerl(text, out error) : ParseNet(text, out error);
        return value is not null;
    }

    /// <summary>The settings without user and password.</summary>
    public override string ToString() =>
        string.Join(';', _settings.Where(s => !IsSecret(s.Key)).Select(s => $"{s.Key}={s.Value}"));

    internal string? Database => DatabaseNames.Select(Get).FirstOrDefault(v => v is not null);

    internal string? Get(string key) => _settings.TryGetValue(key, out var value) && value.Length > 0 ? value : null;

    private static bool IsSecret(string key) =>
        key.Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant() is "password" or "pwd" or "pass" or "user" or "uid" or "userid" or "username" or "passfile";

    private static SqlDsn? ParsePerl(string text, out string? error)
    {
        var colon = text.IndexOf(':', 4);
        var driverEnd = text.IndexOf('(', 4) is var paren and >= 0 && paren < colon ? paren : colon;
        if (colon < 0)
        {
            error = "a DBI data source is 'dbi:DRIVER:settings', and this one has no second colon";
            return null;
        }

        var driver = text[4..driverEnd];
        SqlProvider? provider = driver.ToLowerInvariant() switch
        {
            "sqlite" => SqlProvider.SQLite,
            "pg" or "pgpp" => SqlProvider.PostgreSQL,
            "mysql" or "mariadb" or "mysqlpp" => SqlProvider.MySQL,
            _ => null,
        };
        if (provider is not { } known)
        {
            error = $"unknown DBI driver at character 5: SQLite, Pg, mysql and MariaDB are known";
            return null;
        }

        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var at = colon + 1;
        foreach (var part in text[at..].Split(';'))
        {
            if (!AddPerl(settings, part.Trim(), known, at + 1, out error))
            {
                return null;
            }

            at += part.Length + 1;
        }

        var dsn = new SqlDsn(provider, true, settings);
        error = dsn.Database is null && known == SqlProvider.SQLite ? "the DBI data source names no file: write dbi:SQLite:dbname=FILE" : null;
        return error is null ? dsn : null;
    }

    private static bool AddPerl(Dictionary<string, string> settings, string part, SqlProvider provider, int character, out string? error)
    {
        error = null;
        if (part.Length == 0)
        {
            return true;
        }

        var equals = part.IndexOf('=');
        var key = equals < 0 ? "database" : part[..equals].Trim().ToLowerInvariant();
        var value = equals < 0 ? part : part[(equals + 1)..].Trim();
        if (Ignored.Contains(key))
        {
            return true;
        }

        string[] allowed = provider switch
        {
            SqlProvider.SQLite => DatabaseNames,
            SqlProvider.PostgreSQL => [.. DatabaseNames, "host", "port", "sslmode", "user", "password", "options", "connect_timeout"],
            _ => [.. DatabaseNames, "host", "hostname", "port", "mysql_socket", "mariadb_socket", "mysql_ssl", "mariadb_ssl", "mysql_connect_timeout", "mariadb_connect_timeout", "user", "password"],
        };
        if (!allowed.Contains(key))
        {
            error = $"the DBI data source has an unknown setting at character {character}; known are {string.Join(", ", allowed)}";
        }
        else if (key == "port" && (!ushort.TryParse(value, out var port) || port == 0))
        {
            error = $"the port at character {character} is not a number from 1 to 65535";
        }
        else if (!settings.TryAdd(DatabaseNames.Contains(key) ? "database" : key, value))
        {
            error = $"the setting '{key}' at character {character} is given twice";
        }

        return error is null;
    }

    private static SqlDsn? ParseNet(string text, out string? error)
    {
        error = null;
        var builder = new DbConnectionStringBuilder();
        try
        {
            builder.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            // Its own message quotes the text, which may hold a password.
            error = "this is neither a DBI data source (dbi:DRIVER:settings) nor a connection string (Name=value;Name=value)";
            return null;
        }

        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string key in builder.Keys!)
        {
            settings[key] = builder[key].ToString() ?? "";
        }

        if (settings.Count == 0)
        {
            error = "the data source is empty";
            return null;
        }

        return new SqlDsn(Guess(settings), false, settings);
    }

    private static SqlProvider? Guess(Dictionary<string, string> settings)
    {
        if (settings.ContainsKey("host") && settings.Keys.Any(k => k is "username" or "search path" or "timezone" or "ssl mode" or "passfile"))
        {
            return settings.ContainsKey("username") && !settings.ContainsKey("uid") ? SqlProvider.PostgreSQL : null;
        }

        var file = settings.GetValueOrDefault("data source") ?? settings.GetValueOrDefault("filename");
        return file is not null && !settings.Keys.Any(k => k is "database" or "port" or "uid" or "user id" or "user" or "username" or "initial catalog")
            ? SqlProvider.SQLite
            : null;
    }
}
