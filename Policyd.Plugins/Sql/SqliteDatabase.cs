using System.Data.Common;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>
/// SQLite. Every connection waits for locks as long as the connection string's <c>Default Timeout</c> says (5 seconds unless given)
/// and writes with synchronous=FULL: a commit that was answered survives a power cut.
/// </summary>
internal sealed class SqliteDatabase : SqlDatabase
{
    /// <summary>The file of the default configuration: the only one whose folder is made when absent. Elsewhere a missing folder is a
    /// file system that is not mounted, or a typing error, and counting into a new empty file would hide it.</summary>
    public const string DefaultFile = "var/policyd.db";

    private const int LockWaitSeconds = 5;

    // With the defaults (2 MB, 1000 pages) commits of many keys spend their time copying the same pages out of the log and
    // reading them back. A log of 32 MB takes a fraction of a second to read after a crash.
    private const int CacheKiB = 32 * 1024;
    private const int CheckpointPages = 8000;
    private readonly string _connectionString;
    private readonly string _file;

    public SqliteDatabase(string connectionString)
        : base(SqlProvider.SQLite, $"SQLite file {new SqliteConnectionStringBuilder(connectionString).DataSource}")
    {
        _connectionString = connectionString;
        _file = new SqliteConnectionStringBuilder(connectionString).DataSource;
    }

    public override ICounterStore CreateCounterStore() => new SqliteCounterStore(this);

    public override ValueTask<DbConnection> OpenAsync(CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (_file == DefaultFile)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(DefaultFile)!);
        }

        var connection = new SqliteConnection(_connectionString);
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"PRAGMA busy_timeout = {connection.DefaultTimeout * 1000}; PRAGMA synchronous = FULL; PRAGMA cache_size = -{CacheKiB}; PRAGMA wal_autocheckpoint = {CheckpointPages}");
            command.ExecuteNonQuery();
            return new ValueTask<DbConnection>(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    // Pools of other databases in this process are left alone; this one's handles are closed so that the file can be moved.
    public override ValueTask DisposeAsync()
    {
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
        return ValueTask.CompletedTask;
    }

    internal static string ConnectionString(SqlConnectionOptions options)
    {
        var builder = new SqliteConnectionStringBuilder { DefaultTimeout = LockWaitSeconds };
        if (options.Dsn.IsPerl)
        {
            builder.DataSource = options.Dsn.Database!;
        }
        else
        {
            Fill(builder, options.Dsn);
        }

        if (builder.DataSource.Length == 0 || builder.DataSource == ":memory:" || builder.Mode == SqliteOpenMode.Memory)
        {
            throw new ArgumentException("a SQLite database in memory would forget everything at each restart: name a file");
        }

        return builder.ConnectionString;
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not SqliteException e)
        {
            return new SqlFault(CounterStoreFailure.Unavailable, exception.Message);
        }

        return e.SqliteErrorCode switch
        {
            SqliteCode.Busy or SqliteCode.Locked => new(CounterStoreFailure.Unavailable, "the file is locked by another program"),
            SqliteCode.Full => new(CounterStoreFailure.Refused, "the disk is full"),
            SqliteCode.Readonly => new(CounterStoreFailure.Refused, "the file or its folder is read-only"),
            SqliteCode.Perm or SqliteCode.Auth => new(CounterStoreFailure.Refused, "access to the file is denied"),
            SqliteCode.Corrupt or SqliteCode.Notadb => new(CounterStoreFailure.Refused, "the file is damaged or not a SQLite database"),
            SqliteCode.Cantopen => new(CounterStoreFailure.Unavailable, "the file cannot be opened: does its folder exist, and may this user write there?"),
            SqliteCode.Ioerr => new(CounterStoreFailure.Unavailable, "the file cannot be read or written: " + e.Message, ConnectionLost: true),
            SqliteCode.Constraint => new(CounterStoreFailure.Schema, e.Message, Duplicate: e.SqliteExtendedErrorCode is SqliteCode.ConstraintPrimarykey or SqliteCode.ConstraintUnique),
            SqliteCode.Error or SqliteCode.Schema or SqliteCode.Mismatch => new(CounterStoreFailure.Schema, e.Message),
            _ => new(CounterStoreFailure.Unavailable, e.Message),
        };
    }
}

/// <summary>Result codes of SQLite (sqlite.org/rescode.html) that mean something of their own here.</summary>
file static class SqliteCode
{
    public const int Error = 1;
    public const int Perm = 3;
    public const int Busy = 5;
    public const int Locked = 6;
    public const int Readonly = 8;
    public const int Ioerr = 10;
    public const int Corrupt = 11;
    public const int Full = 13;
    public const int Cantopen = 14;
    public const int Schema = 17;
    public const int Constraint = 19;
    public const int Mismatch = 20;
    public const int Auth = 23;
    public const int Notadb = 26;
    public const int ConstraintPrimarykey = 1555;
    public const int ConstraintUnique = 2067;
}
