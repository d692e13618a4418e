using System.Data.Common;
using System.Globalization;
using MySqlConnector;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>
/// MySQL and MariaDB. Every connection gets our own <c>sql_mode</c>: strict, so that nothing is cut off silently, and without
/// NO_BACKSLASH_ESCAPES, under which the driver's quoting of bound values would not be safe.
/// </summary>
internal sealed class MySqlDatabase : SqlDatabase
{
    private static readonly string[] Sockets = ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"];
    private readonly Lazy<MySqlDataSource> _source;

    // Made at the first use: the driver looks for the server's socket when it makes its pool, and the server may be down just then.
    public MySqlDatabase(string connectionString)
        : base(SqlProvider.MySQL, Describe(new MySqlConnectionStringBuilder(connectionString)))
    {
        _source = new Lazy<MySqlDataSource>(() => Build(connectionString), LazyThreadSafetyMode.PublicationOnly);
    }

    public override ICounterStore CreateCounterStore() => new MySqlCounterStore(this);

    public override async ValueTask<DbConnection> OpenAsync(CancellationToken ct) => await _source.Value.OpenConnectionAsync(ct);

    public override ValueTask DisposeAsync() => _source.IsValueCreated ? _source.Value.DisposeAsync() : ValueTask.CompletedTask;

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
            throw new ArgumentException("the dsn names no database");
        }

        builder.PersistSecurityInfo = false;
        builder.UseAffectedRows = false;
        return builder.ConnectionString;
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not MySqlException e)
        {
            return new SqlFault(CounterStoreFailure.Unavailable, exception.Message, ConnectionLost: true);
        }

        return e.ErrorCode switch
        {
            MySqlErrorCode.LockDeadlock => new(CounterStoreFailure.Conflict, e.Message),
            MySqlErrorCode.LockWaitTimeout or MySqlErrorCode.QueryInterrupted => new(CounterStoreFailure.Busy, e.Message),
            MySqlErrorCode.DuplicateKeyEntry => new(CounterStoreFailure.Conflict, e.Message, Duplicate: true),
            MySqlErrorCode.RecordFileFull or MySqlErrorCode.DiskFull or MySqlErrorCode.OptionPreventsStatement or MySqlErrorCode.CannotExecuteInReadOnlyTransaction
                or MySqlErrorCode.TableAccessDenied or MySqlErrorCode.ColumnAccessDenied or MySqlErrorCode.DatabaseAccessDenied or MySqlErrorCode.AccessDenied
                or MySqlErrorCode.UnknownDatabase => new(CounterStoreFailure.Refused, e.Message),
            MySqlErrorCode.NoSuchTable or MySqlErrorCode.BadFieldError or MySqlErrorCode.NoDefaultForField or MySqlErrorCode.WarningDataOutOfRange
                or MySqlErrorCode.TruncatedWrongValueForField or MySqlErrorCode.DataTooLong or MySqlErrorCode.ParseError => new(CounterStoreFailure.Schema, e.Message),
            MySqlErrorCode.ServerShutdown or MySqlErrorCode.NormalShutdown or MySqlErrorCode.UnableToConnectToHost or MySqlErrorCode.CommandTimeoutExpired
                => new(CounterStoreFailure.Unavailable, e.Message, ConnectionLost: true),
            // Below 1000 are the driver's own: the connection broke. The rest are answers of the server.
            var code => new(CounterStoreFailure.Unavailable, e.Message, ConnectionLost: (int)code is < 1000 or >= 2000 and < 3000),
        };
    }

    private static MySqlDataSource Build(string connectionString)
    {
        var builder = new MySqlDataSourceBuilder(connectionString);
        builder.UseConnectionOpenedCallback(async (context, ct) =>
        {
            await using var command = context.Connection.CreateCommand();
            command.CommandText = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'";
            await command.ExecuteNonQueryAsync(ct);
        });
        return builder.Build();
    }

    private static void FromPerl(MySqlConnectionStringBuilder builder, SqlDsn dsn)
    {
        var host = dsn.Get("host") ?? dsn.Get("hostname") ?? "localhost";
        var socket = dsn.Get("mysql_socket") ?? dsn.Get("mariadb_socket");
        // libmysqlclient takes 'localhost' for the socket, whose accounts are others than those of 127.0.0.1.
        if (socket is null && host == "localhost" && dsn.Get("port") is null)
        {
            socket = Sockets.FirstOrDefault(File.Exists);
        }

        builder.Server = socket ?? host;
        builder.ConnectionProtocol = socket is null ? MySqlConnectionProtocol.Tcp : MySqlConnectionProtocol.UnixSocket;
        builder.Port = uint.Parse(dsn.Get("port") ?? "3306", CultureInfo.InvariantCulture);
        builder.Database = dsn.Database ?? "";
        builder.UserID = dsn.Get("user") ?? "";
        builder.Password = dsn.Get("password") ?? "";
        if ((dsn.Get("mysql_ssl") ?? dsn.Get("mariadb_ssl")) is "1")
        {
            builder.SslMode = MySqlSslMode.Required;
        }

        if (uint.TryParse(dsn.Get("mysql_connect_timeout") ?? dsn.Get("mariadb_connect_timeout"), CultureInfo.InvariantCulture, out var seconds))
        {
            builder.ConnectionTimeout = seconds;
        }
    }

    private static string Describe(MySqlConnectionStringBuilder settings) =>
        settings.ConnectionProtocol == MySqlConnectionProtocol.UnixSocket ? $"MySQL database {settings.Database} at {settings.Server}" : $"MySQL database {settings.Database} at {settings.Server}:{settings.Port}";
}
