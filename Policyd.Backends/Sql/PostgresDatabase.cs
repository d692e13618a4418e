using System.Data.Common;
using Npgsql;
using Policyd.Backends.Dsn;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>PostgreSQL, through Npgsql's pool.</summary>
internal sealed class PostgresDatabase : SqlDatabase
{
    private const string DefaultSocketFolder = "/var/run/postgresql";
    private const string TargetSession = "Target Session Attributes";

    // Npgsql's name of a setting, and libpq's.
    private static readonly (string Own, string Libpq)[] s_settings =
    [
        ("Password", "password"), ("Options", "options"), ("Timeout", "connect_timeout"), ("Application Name", "application_name"), (
            "Passfile", "passfile"),
        ("SSL Certificate", "sslcert"), ("SSL Key", "sslkey"), ("SSL Password", "sslpassword"), ("Root Certificate", "sslrootcert"),
        ("Tcp Keepalive Time", "keepalives_idle"), ("Tcp Keepalive Interval", "keepalives_interval"), (
            "Kerberos Service Name", "krbsrvname"),
    ];

    // Read-only; "cached plan must not change result type" and a prepared statement that the server no longer has; an administrator's stop.
    private static readonly HashSet<string> s_modes =
    [
        PostgresErrorCodes.ReadOnlySqlTransaction, PostgresErrorCodes.FeatureNotSupported, PostgresErrorCodes.InvalidSqlStatementName,
        PostgresErrorCodes.AdminShutdown, PostgresErrorCodes.CrashShutdown, PostgresErrorCodes.CannotConnectNow,
    ];

    // What cannot be read as the type of the parameter, or written in the database's character set: 'abc' for an integer, a NUL, an emoji
    // in LATIN1.
    private static readonly HashSet<string> s_noSuchValue =
    [
        PostgresErrorCodes.InvalidTextRepresentation, PostgresErrorCodes.UntranslatableCharacter,
        PostgresErrorCodes.CharacterNotInRepertoire,
        PostgresErrorCodes.StringDataRightTruncation, PostgresErrorCodes.NumericValueOutOfRange, PostgresErrorCodes.InvalidDatetimeFormat,
        PostgresErrorCodes.DatetimeFieldOverflow, PostgresErrorCodes.InvalidTimeZoneDisplacementValue,
        PostgresErrorCodes.IntervalFieldOverflow,
    ];

    // A client that is asked for a sign of life every second and gives none for five is lost. Its machine answers for a process that only
    // stands still; that may not keep a transaction open for more than ten. Set where the server has them: it may be an old one, or its
    // system may have none.
    private const string EndsLost =
        "SELECT set_config(name, CASE name WHEN 'tcp_user_timeout' THEN '5000' WHEN 'tcp_keepalives_count' THEN '4' "
            + "WHEN 'idle_in_transaction_session_timeout' THEN '10000' ELSE '1' END, false) FROM pg_settings WHERE name IN "
            + "('tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', "
            + "'idle_in_transaction_session_timeout')";

    // With target_session_attrs a source is a view of another one, which is the one to be closed.
    private readonly List<NpgsqlDataSource> _pools = [];
    private readonly NpgsqlDataSource _source;

    // Of its own, since Npgsql 10.0.3 loses its place in the protocol when the server refuses a value of a statement that it is just
    // preparing by itself ("Received unexpected backend message DataRow").
    private readonly NpgsqlDataSource _calls;

    public PostgresDatabase(string connectionString)
        : base(SqlProvider.PostgreSQL, Describe(new NpgsqlConnectionStringBuilder(connectionString)))
    {
        _source = Build(new NpgsqlConnectionStringBuilder(connectionString));
        _calls = Build(new NpgsqlConnectionStringBuilder(connectionString) { MaxAutoPrepare = 0 });
    }

    public override async ValueTask<DbConnection> OpenAsync(CancellationToken ct) =>
        await _source.OpenConnectionAsync(ct).ConfigureAwait(false);

    internal override async ValueTask<DbConnection> OpenForCallAsync(CancellationToken ct) =>
        await _calls.OpenConnectionAsync(ct).ConfigureAwait(false);

    private protected override string EndsLostSessions => EndsLost;

    private protected override async ValueTask CloseAsync()
    {
        foreach (var pool in _pools)
        {
            await pool.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal static string ConnectionString(SqlConnectionOptions options)
    {
        var builder = new NpgsqlConnectionStringBuilder();
        var dsn = options.Dsn;
        if (dsn.IsPerl)
        {
            FromPerl(builder, dsn);
        }
        else
        {
            Fill(builder, dsn);
        }

        Set(builder, "Username", options.User);
        Set(builder, "Password", options.Password);
        if (string.IsNullOrEmpty(builder.Host))
        {
            throw new ArgumentException("the dsn contains no host");
        }

        // A plan of an upsert is dearer than its run; 0 in the dsn turns it off for a pooler that cannot bear it.
        if (!builder.ContainsKey("Max Auto Prepare") || !dsn.Settings.ContainsKey("max auto prepare"))
        {
            builder.MaxAutoPrepare = 20;
            builder.AutoPrepareMinUsages = 2;
        }

        DemandFiles(builder.RootCertificate, builder.SslCertificate, builder.SslKey, builder.Passfile);
        builder.PersistSecurityInfo = false;
        builder.IncludeErrorDetail = false;
        return builder.ConnectionString;
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not PostgresException e)
        {
            var timedOut = exception is TimeoutException || exception.InnerException is TimeoutException;
            var message = exception.InnerException?.Message ?? exception.Message;
            return new SqlFault(CounterStoreFailure.Unavailable, message, ConnectionLost: true) { TimedOut = timedOut };
        }

        if (e.InvariantSeverity is "FATAL" or "PANIC")
        {
            var refused = e.SqlState.StartsWith("28", StringComparison.Ordinal) || e.SqlState == PostgresErrorCodes.InvalidCatalogName;
            var failure = refused ? CounterStoreFailure.Refused : CounterStoreFailure.Unavailable;
            return new SqlFault(failure, e.MessageText, ConnectionLost: true) { IsAnswer = true };
        }

        return Classify(e) with
        {
            IsAnswer = true,
            IsOfThisConnection = s_modes.Contains(e.SqlState),
            // Not: resources, locks, an operator who intervenes, the system, a rollback.
            IsOfStatement = e.SqlState[..2] is not ("53" or "55" or "57" or "58" or "40" or "08"),
            IsMissingValue = e.SqlState == PostgresErrorCodes.NotNullViolation,
            IsMissingTable = e.SqlState == PostgresErrorCodes.UndefinedTable,
        };
    }

    /// <summary>
    /// A syntax error without a place is of a value: of a jsonpath, a tsquery, an ltree. A backslash at the end of a pattern of LIKE is an
    /// error, too.
    /// </summary>
    internal override bool CannotHold(Exception exception, IEnumerable<object?> values) =>
        exception is PostgresException e
        && (s_noSuchValue.Contains(e.SqlState)
            || (e.SqlState == PostgresErrorCodes.SyntaxError && e.Position == 0)
            || (e.SqlState == PostgresErrorCodes.InvalidEscapeSequence && values.OfType<string>().Any(static text => text.EndsWith('\\'))));

    internal override void GiveUp(DbConnection connection, Exception cause)
    {
        if (Classify(cause).EndsPool)
        {
            _source.Clear();
            _calls.Clear();
        }
    }

    // The driver takes the kind of session from a connection string for connections alone, not for a source.
    private NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings)
    {
        if (settings.TargetSessionAttributes is not { Length: > 0 } wanted)
        {
            _pools.Add(NpgsqlDataSource.Create(settings.ConnectionString));
            return _pools[^1];
        }

        settings.Remove(TargetSession);
        var hosts = new NpgsqlDataSourceBuilder(settings.ConnectionString).BuildMultiHost();
        _pools.Add(hosts);
        return hosts.WithTargetSession(
            Enum.Parse<TargetSessionAttributes>(wanted.Replace("-", "", StringComparison.Ordinal), ignoreCase: true));
    }

    private static SqlFault Classify(PostgresException e)
    {
        return e.SqlState switch
        {
            PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected =>
                new(CounterStoreFailure.Conflict, e.MessageText),
            PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled => new(CounterStoreFailure.Busy, e.MessageText),
            PostgresErrorCodes.UniqueViolation => new(CounterStoreFailure.Conflict, e.MessageText, Duplicate: true),
            PostgresErrorCodes.DiskFull or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.ReadOnlySqlTransaction =>
                new(CounterStoreFailure.Refused, e.MessageText),
            _ when e.SqlState[..2] is "42" or "22" or "23" or "3F" => new(CounterStoreFailure.Schema, e.MessageText),
            _ => new(CounterStoreFailure.Unavailable, e.MessageText),
        };
    }

    private static void FromPerl(NpgsqlConnectionStringBuilder builder, SqlDsn dsn)
    {
        var ports = (dsn.Get("port") ?? "5432").Split(',');
        var names = dsn.Get("host")?.Split(',');
        var addresses = dsn.Get("hostaddr")?.Split(',');
        if (addresses is not null && names is not null && dsn.Get("sslmode") == "verify-full")
        {
            throw new ArgumentException(
                "hostaddr together with host is not supported with sslmode=verify-full: the certificate "
                    + "would be compared with the address");
        }

        // libpq's default is the socket.
        var hosts = addresses ?? names ?? [File.Exists($"{DefaultSocketFolder}/.s.PGSQL.{ports[0]}") ? DefaultSocketFolder : "localhost"];
        if (ports.Length != 1 && ports.Length != hosts.Length)
        {
            throw new ArgumentException("the dsn has different numbers of hosts and ports");
        }

        builder.Host = hosts.Length == 1
            ? hosts[0]
            : string.Join(',', hosts.Select((host, i) => $"{Bracketed(host)}:{ports[ports.Length == 1 ? 0 : i]}"));
        builder.Port = int.Parse(ports[0], System.Globalization.CultureInfo.InvariantCulture);
        Set(builder, "Database", dsn.Database);
        Set(builder, "SSL Mode", dsn.Get("sslmode")?.Replace("-", "", StringComparison.Ordinal));
        Set(builder, "Username", dsn.Get("user"));
        foreach (var (own, libpq) in s_settings)
        {
            Set(builder, own, dsn.Get(libpq));
        }

        Set(builder, "Tcp Keepalive", dsn.Get("keepalives") == "1" ? "true" : null);
        Set(builder, "Channel Binding", dsn.Get("channel_binding"));
        Set(builder, TargetSession, dsn.Get("target_session_attrs"));
    }

    private static string Bracketed(string host) => host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;

    private static string Describe(NpgsqlConnectionStringBuilder settings) =>
        $"PostgreSQL database {settings.Database ?? settings.Username} at "
            + $"{settings.Host}{(settings.Host!.Contains(',', StringComparison.Ordinal) ? "" : $":{settings.Port}")}";

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
                throw new ArgumentException($"the value of '{key}' is not valid for the PostgreSQL driver", e);
            }
        }
    }
}
