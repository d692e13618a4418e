using System.Data.Common;
using Npgsql;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>PostgreSQL, through Npgsql's pool.</summary>
internal sealed class PostgresDatabase : SqlDatabase
{
    private const string DefaultSocketFolder = "/var/run/postgresql";
    private readonly NpgsqlDataSource _source;

    public PostgresDatabase(string connectionString)
        : base(SqlProvider.PostgreSQL, Describe(new NpgsqlConnectionStringBuilder(connectionString)))
    {
        _source = NpgsqlDataSource.Create(connectionString);
    }

    public override ICounterStore CreateCounterStore() => new PostgresCounterStore(this);

    public override async ValueTask<DbConnection> OpenAsync(CancellationToken ct) => await _source.OpenConnectionAsync(ct);

    public override ValueTask DisposeAsync() => _source.DisposeAsync();

    internal static string ConnectionString(SqlConnectionOptions options)
    {
        var builder = new NpgsqlConnectionStringBuilder();
        var dsn = options.Dsn;
        if (dsn.IsPerl)
        {
            builder.Port = int.Parse(dsn.Get("port") ?? "5432", System.Globalization.CultureInfo.InvariantCulture);
            // libpq's default is the socket.
            builder.Host = dsn.Get("host") ?? (File.Exists($"{DefaultSocketFolder}/.s.PGSQL.{builder.Port}") ? DefaultSocketFolder : "localhost");
            Set(builder, "Database", dsn.Database);
            Set(builder, "SSL Mode", dsn.Get("sslmode")?.Replace("-", "", StringComparison.Ordinal));
            Set(builder, "Username", dsn.Get("user"));
            Set(builder, "Password", dsn.Get("password"));
            Set(builder, "Options", dsn.Get("options"));
            Set(builder, "Timeout", dsn.Get("connect_timeout"));
        }
        else
        {
            Fill(builder, dsn);
        }

        Set(builder, "Username", options.User);
        Set(builder, "Password", options.Password);
        if (string.IsNullOrEmpty(builder.Host))
        {
            throw new ArgumentException("the dsn names no host");
        }

        // A plan of an upsert is dearer than its run; 0 in the dsn turns it off for a pooler that cannot bear it.
        if (!builder.ContainsKey("Max Auto Prepare") || !dsn.Settings.ContainsKey("max auto prepare"))
        {
            builder.MaxAutoPrepare = 20;
            builder.AutoPrepareMinUsages = 2;
        }

        builder.PersistSecurityInfo = false;
        builder.IncludeErrorDetail = false;
        return builder.ConnectionString;
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not PostgresException e)
        {
            return new SqlFault(CounterStoreFailure.Unavailable, exception.InnerException?.Message ?? exception.Message, ConnectionLost: true);
        }

        if (e.InvariantSeverity is "FATAL" or "PANIC")
        {
            var refused = e.SqlState.StartsWith("28", StringComparison.Ordinal) || e.SqlState == PostgresErrorCodes.InvalidCatalogName;
            return new SqlFault(refused ? CounterStoreFailure.Refused : CounterStoreFailure.Unavailable, e.MessageText, ConnectionLost: true);
        }

        return e.SqlState switch
        {
            PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected => new(CounterStoreFailure.Conflict, e.MessageText),
            PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled => new(CounterStoreFailure.Busy, e.MessageText),
            PostgresErrorCodes.UniqueViolation => new(CounterStoreFailure.Conflict, e.MessageText, Duplicate: true),
            PostgresErrorCodes.DiskFull or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.ReadOnlySqlTransaction => new(CounterStoreFailure.Refused, e.MessageText),
            _ when e.SqlState[..2] is "42" or "22" or "23" or "3F" => new(CounterStoreFailure.Schema, e.MessageText),
            _ => new(CounterStoreFailure.Unavailable, e.MessageText),
        };
    }

    private static string Describe(NpgsqlConnectionStringBuilder settings) => $"PostgreSQL database {settings.Database ?? settings.Username} at {settings.Host}:{settings.Port}";

    private static void Set(NpgsqlConnectionStringBuilder builder, string key, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            try
            {
                builder[key] = value;
            }
            catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException)
            {
                throw new ArgumentException($"the value of '{key}' is not one that PostgreSQL's driver knows", e);
            }
        }
    }
}
