using System.Data.Common;
using Policyd.Configuration.Values;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The <c>dsn</c> of a Sql connection: Perl's DBI form, as mtpolicyd has it and its drivers document it
/// (<c>dbi:mysql:database=D;host=H</c>,
/// <c>dbi:SQLite:dbname=FILE</c>, <c>dbi:Pg:dbname=D</c>), or .NET's (<c>Data Source=var/policyd.db</c>). Its text form never shows
/// a password.
/// </summary>
public sealed class SqlDsn : IOptionValue<SqlDsn>
{
    private static readonly string[] s_databaseNames = ["database", "dbname", "db"];

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
        var isPerl = text.StartsWith(PerlDsn.Prefix, StringComparison.OrdinalIgnoreCase);
        value = isPerl ? ParsePerl(text, out error) : ParseNet(text, out error);
        return value is not null;
    }

    /// <summary>The settings without user and password.</summary>
    public override string ToString() =>
        string.Join(';', _settings.Where(s => !IsSecret(s.Key)).Select(s => $"{s.Key}={s.Value}"));

    /// <summary>Whether another of its settings is a password.</summary>
    internal bool HoldsPasswordBeside(string setting) => _settings.Keys.Any(key => key != setting
        && (key.Contains("pass", StringComparison.OrdinalIgnoreCase) || key.Contains("pwd", StringComparison.OrdinalIgnoreCase)));

    internal string? Database => s_databaseNames.Select(Get).FirstOrDefault(v => v is not null);

    internal string? Get(string key) => _settings.TryGetValue(key, out var value) && value.Length > 0 ? value : null;

    private static bool IsSecret(string key) =>
        key.Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant() is "password" or "pwd" or "pass" or "user" or "uid" or "userid"
            or "username" or "passfile" or "sslpassword";

    private static SqlDsn? ParsePerl(string text, out string? error)
    {
        error = null;
        try
        {
            var (provider, settings) = PerlDsn.Parse(text);
            return new SqlDsn(provider, true, settings);
        }
        catch (FormatException e)
        {
            error = e.Message;
            return null;
        }
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
            error = "the dsn is neither a DBI data source (dbi:DRIVER:settings) nor a connection string (Name=value;Name=value)";
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
        if (settings.ContainsKey("host")
            && settings.Keys.Any(k => k is "username" or "search path" or "timezone" or "ssl mode" or "passfile"))
        {
            return settings.ContainsKey("username") && !settings.ContainsKey("uid") ? SqlProvider.PostgreSQL : null;
        }

        var file = settings.GetValueOrDefault("data source") ?? settings.GetValueOrDefault("filename");
        return file is not null
            && !settings.Keys.Any(k => k is "database" or "port" or "uid" or "user id" or "user" or "username" or "initial catalog")
            ? SqlProvider.SQLite
            : null;
    }
}
