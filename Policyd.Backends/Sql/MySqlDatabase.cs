using System.Data.Common;
using System.Globalization;
using MySqlConnector;
using Policyd.Backends.Dsn;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>
/// MySQL and MariaDB. Every connection gets our own <c>sql_mode</c>: strict, so that nothing is cut off silently, and without
/// NO_BACKSLASH_ESCAPES, under which the driver's quoting of bound values would not be safe.
/// </summary>
internal sealed class MySqlDatabase : SqlDatabase
{
    private static readonly string[] s_sockets = ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"];

    // Numbers that the driver has no names for: mariadb.com/kb/en/mariadb-error-codes, dev.mysql.com/doc/mysql-errors.
    private const int ReadOnlyMode = 1836;
    private const int MariaDbKilled = 1927;
    private const int SessionKilled = 3169;
    private const int InteractionTimeout = 4031;

    private static readonly HashSet<MySqlErrorCode> s_modes =
    [
        MySqlErrorCode.OptionPreventsStatement, MySqlErrorCode.CannotExecuteInReadOnlyTransaction, (MySqlErrorCode)ReadOnlyMode,
        MySqlErrorCode.UnknownStatementHandler,
    ];

    // Illegal mix of collations (1267, 1270, 1271), "Incorrect string value" (1366), "Invalid … character string" (1300), MariaDB's "Cannot
    // convert" (1977), MySQL's "Conversion … impossible for parameter" (3988), "Cannot convert string" (3854), "… cannot be used in
    // conjunction with" (3995).
    private static readonly HashSet<MySqlErrorCode> s_otherCharacters =
    [
        (MySqlErrorCode)1267, (MySqlErrorCode)1270, (MySqlErrorCode)1271, (MySqlErrorCode)1366, (MySqlErrorCode)1300, (MySqlErrorCode)1977,
        (MySqlErrorCode)3988,
        (MySqlErrorCode)3854, (MySqlErrorCode)3995,
    ];

    // 1411: what a function such as UUID_TO_BIN does not take.
    private static readonly HashSet<MySqlErrorCode> s_tooLong = [
        MySqlErrorCode.DataTooLong, MySqlErrorCode.WarningDataOutOfRange, (MySqlErrorCode)1411
    ];

    // Said of the server's state and not of the statement; and of one that it can run, but not prepare.
    private static readonly HashSet<MySqlErrorCode> s_passing =
    [
        MySqlErrorCode.ConnectionCountError, MySqlErrorCode.TooManyUserConnections, MySqlErrorCode.UserLimitReached,
        MySqlErrorCode.LockWaitTimeout, MySqlErrorCode.LockDeadlock,
        MySqlErrorCode.QueryInterrupted, MySqlErrorCode.ServerShutdown, MySqlErrorCode.NormalShutdown,
        MySqlErrorCode.UnsupportedPreparedStatement,
        MySqlErrorCode.MaxPreparedStatementCountReached, (MySqlErrorCode)MariaDbKilled, (MySqlErrorCode)SessionKilled,
        (MySqlErrorCode)InteractionTimeout,
    ];

    // A commit is one packet, which is read whole before anything of it is run. What a lost client can hold up is an answer that it does
    // not take, and on MariaDB a transaction of several calls.
    private const string EndsLost =
        "SET SESSION net_read_timeout = 5, net_write_timeout = 5 /*M!100300 , idle_transaction_timeout = 10 */";

    private readonly Lazy<MySqlDataSource> _source;

    // Made at the first use: the driver looks for the server's socket when it makes its pool, and the server may be down just then.
    public MySqlDatabase(string connectionString, string? initCommand = null)
        : base(SqlProvider.MySQL, Describe(new MySqlConnectionStringBuilder(connectionString)))
    {
        _source = new Lazy<MySqlDataSource>(() => Build(connectionString, initCommand), LazyThreadSafetyMode.PublicationOnly);
    }

    public override async ValueTask<DbConnection> OpenAsync(CancellationToken ct) =>
        await _source.Value.OpenConnectionAsync(ct).ConfigureAwait(false);

    private protected override string EndsLostSessions => EndsLost;

    private protected override ValueTask CloseAsync() => _source.IsValueCreated ? _source.Value.DisposeAsync() : ValueTask.CompletedTask;

    internal static string ConnectionString(SqlConnectionOptions options)
    {
        var builder = new MySqlConnectionStringBuilder();
        if (options.Dsn.IsPerl)
        {
            FromPerl(builder, options.Dsn);
        }
        else
        {
            Fill(builder, options.Dsn);
        }

        if (!string.IsNullOrEmpty(options.User))
        {
            builder.UserID = options.User;
        }

        if (!string.IsNullOrEmpty(options.Password))
        {
            builder.Password = options.Password;
        }

        if (builder.Database.Length == 0)
        {
            throw new ArgumentException("the dsn contains no database name");
        }

        DemandFiles(builder.SslCa, builder.SslCert, builder.SslKey, builder.CertificateFile, builder.ServerRsaPublicKeyFile);
        builder.PersistSecurityInfo = false;
        builder.UseAffectedRows = false;
        builder.AllowUserVariables = true;
        return builder.ConnectionString;
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not MySqlException e)
        {
            return new SqlFault(CounterStoreFailure.Unavailable, exception.Message, ConnectionLost: true)
            {
                TimedOut = exception is TimeoutException
            };
        }

        return Classify(e) with
        {
            IsAnswer = (int)e.ErrorCode is (>= 1000 and < 2000) or >= 3000,
            IsOfThisConnection = s_modes.Contains(e.ErrorCode),
            IsOfStatement = (int)e.ErrorCode >= 1000 && !s_passing.Contains(e.ErrorCode),
            IsMissingValue = e.ErrorCode == MySqlErrorCode.ColumnCannotBeNull,
            IsMissingTable = e.ErrorCode == MySqlErrorCode.NoSuchTable,
            TimedOut = e.ErrorCode == MySqlErrorCode.CommandTimeoutExpired,
        };
    }

    /// <summary>
    /// A constant that cannot be converted to the column's character set is an illegal mix of collations; ASCII always can, so with ASCII
    /// alone the statement itself is wrong.
    /// </summary>
    internal override bool CannotHold(Exception exception, IEnumerable<object?> values) =>
        exception is MySqlException e
        && (s_tooLong.Contains(e.ErrorCode)
            || (s_otherCharacters.Contains(e.ErrorCode) && values.OfType<string>().Any(text => !System.Text.Ascii.IsValid(text))));

    private static SqlFault Classify(MySqlException e)
    {
        return e.ErrorCode switch
        {
            MySqlErrorCode.LockDeadlock => new(CounterStoreFailure.Conflict, e.Message),
            MySqlErrorCode.LockWaitTimeout or MySqlErrorCode.QueryInterrupted => new(CounterStoreFailure.Busy, e.Message),
            MySqlErrorCode.DuplicateKeyEntry => new(CounterStoreFailure.Conflict, e.Message, Duplicate: true),
            MySqlErrorCode.RecordFileFull or MySqlErrorCode.DiskFull or MySqlErrorCode.OptionPreventsStatement
                or (MySqlErrorCode)ReadOnlyMode or MySqlErrorCode.CannotExecuteInReadOnlyTransaction
                or MySqlErrorCode.TableAccessDenied or MySqlErrorCode.ColumnAccessDenied or MySqlErrorCode.DatabaseAccessDenied
                    or MySqlErrorCode.AccessDenied
                or MySqlErrorCode.UnknownDatabase => new(CounterStoreFailure.Refused, e.Message),
            MySqlErrorCode.NoSuchTable or MySqlErrorCode.BadFieldError or MySqlErrorCode.NoDefaultForField
                or MySqlErrorCode.WarningDataOutOfRange
                or MySqlErrorCode.TruncatedWrongValueForField or MySqlErrorCode.DataTooLong or MySqlErrorCode.ParseError =>
                    new(CounterStoreFailure.Schema, e.Message),
            MySqlErrorCode.ServerShutdown or MySqlErrorCode.NormalShutdown or MySqlErrorCode.UnableToConnectToHost
                or MySqlErrorCode.CommandTimeoutExpired
                => new(CounterStoreFailure.Unavailable, e.Message, ConnectionLost: true),
            // Below 1000 are the driver's own: the connection broke. The rest are answers of the server.
            var code => new(
                CounterStoreFailure.Unavailable,
                e.Message,
                ConnectionLost: (int)code is < 1000 or (>= 2000 and < 3000) or MariaDbKilled or SessionKilled or InteractionTimeout),
        };
    }

    // The driver clears no pool of a data source. The others of the pool are looked at and reset by it before they are used again.
    internal override void GiveUp(DbConnection connection, Exception cause)
    {
        if (Classify(cause).EndsPool)
        {
            DriverSockets.Close(connection);
        }
    }

    private static MySqlDataSource Build(string connectionString, string? initCommand)
    {
        var builder = new MySqlDataSourceBuilder(connectionString);
        builder.UseConnectionOpenedCallback(async (context, ct) =>
        {
            using var command = context.Connection.CreateCommand();
            command.CommandText = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'";
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            if (initCommand is not null)
            {
                command.CommandText = initCommand;
                await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            }
        });
        return builder.Build();
    }

    private static void FromPerl(MySqlConnectionStringBuilder builder, SqlDsn dsn)
    {
        var host = dsn.Get("host") ?? "localhost";
        // libmysqlclient and libmariadb take 'localhost' for the socket, whatever the port: its accounts are others than those of
        // 127.0.0.1.
        var socket = dsn.Get("socket") ?? (host == "localhost" ? s_sockets.FirstOrDefault(File.Exists) : null);
        builder.Server = socket ?? host;
        builder.ConnectionProtocol = socket is null ? MySqlConnectionProtocol.Tcp : MySqlConnectionProtocol.UnixSocket;
        builder.Port = uint.Parse(dsn.Get("port") ?? "3306", CultureInfo.InvariantCulture);
        builder.Database = dsn.Database ?? "";
        builder.UserID = dsn.Get("user") ?? "";
        builder.Password = dsn.Get("password") ?? "";
        builder.UseCompression = IsOn(dsn, "compression");
        builder.ServerRsaPublicKeyFile = dsn.Get("server_pubkey") ?? "";
        builder.AllowPublicKeyRetrieval = IsOn(dsn, "get_server_pubkey");
        if (Seconds(dsn, "connect_timeout") is { } connecting)
        {
            builder.ConnectionTimeout = connecting;
        }

        if ((Seconds(dsn, "read_timeout") ?? Seconds(dsn, "write_timeout")) is { } running)
        {
            builder.DefaultCommandTimeout = running;
        }

        Tls(builder, dsn);
    }

    // As the Perl drivers have it: the name in the certificate counts only with ssl_verify_server_cert, its signer only with a file of
    // signers.
    private static void Tls(MySqlConnectionStringBuilder builder, SqlDsn dsn)
    {
        if (!IsOn(dsn, "ssl"))
        {
            return;
        }

        builder.SslCa = dsn.Get("ssl_ca_file") ?? "";
        builder.SslKey = dsn.Get("ssl_client_key") ?? "";
        builder.SslCert = dsn.Get("ssl_client_cert") ?? "";
        builder.SslMode = IsOn(dsn, "ssl_verify_server_cert") ? MySqlSslMode.VerifyFull
            : builder.SslCa.Length > 0 ? MySqlSslMode.VerifyCA
            : IsOn(dsn, "ssl_optional") ? MySqlSslMode.Preferred : MySqlSslMode.Required;
    }

    private static bool IsOn(SqlDsn dsn, string key) => dsn.Get(key) is not (null or "0");

    private static uint? Seconds(SqlDsn dsn, string key) =>
        dsn.Get(key) is { } text ? uint.Parse(text, CultureInfo.InvariantCulture) : null;

    private static string Describe(MySqlConnectionStringBuilder settings) =>
        settings.ConnectionProtocol == MySqlConnectionProtocol.UnixSocket
            ? $"MySQL database {settings.Database} at {settings.Server}"
            : $"MySQL database {settings.Database} at {settings.Server}:{settings.Port}";
}
