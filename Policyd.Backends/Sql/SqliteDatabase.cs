using System.Data.Common;
using Microsoft.Data.Sqlite;
using Policyd.Configuration.Sources;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

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
    private static readonly SqlFault s_cannotBeRead = new(
        CounterStoreFailure.Unavailable, "the file cannot be read; check that it exists and that this user can read it");

    /// <summary>The file that a connection writes to; null when it only reads, or when the file is given as a URI.</summary>
    public static string? WrittenFile(string connectionString)
    {
        var settings = new SqliteConnectionStringBuilder(connectionString);
        return settings.Mode == SqliteOpenMode.ReadOnly || settings.DataSource.StartsWith("file:", StringComparison.OrdinalIgnoreCase)
            ? null
            : settings.DataSource;
    }

    // With the defaults (2 MB, 1000 pages) commits of many keys spend their time copying the same pages out of the log and
    // reading them back. A log of 32 MB takes a fraction of a second to read after a crash.
    private const int CacheKiB = 32 * 1024;
    private const int CheckpointPages = 8000;
    private readonly string _connectionString;
    private readonly string _file;
    private readonly bool _looks;
    private readonly bool _makesFolder;
    private readonly Lazy<bool> _usesWal;

    public SqliteDatabase(string connectionString)
        : base(SqlProvider.SQLite, $"SQLite file {new SqliteConnectionStringBuilder(connectionString).DataSource}")
    {
        _connectionString = connectionString;
        _file = new SqliteConnectionStringBuilder(connectionString).DataSource;
        _makesFolder = _file == DefaultFile;
        _usesWal = new Lazy<bool>(() => UsesWal(_file));
    }

    private SqliteDatabase(string connectionString, string file, bool looks, bool makesFolder = false)
        : base(SqlProvider.SQLite, $"SQLite file {file}")
    {
        (_connectionString, _file, _looks, _makesFolder) = (connectionString, file, looks, makesFolder);
        _usesWal = new Lazy<bool>(() => UsesWal(_file));
    }

    /// <summary>The file, as it is configured.</summary>
    public string File => _file;

    /// <summary>Whether there is no file yet, and the first connection of a server makes it.</summary>
    public bool IsNotMadeYet =>
        WrittenFile(_connectionString) is { } file && !System.IO.File.Exists(file)
            && new SqliteConnectionStringBuilder(_connectionString).Mode == SqliteOpenMode.ReadWriteCreate
            && (_makesFolder || Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(file))));

    public override ValueTask<DbConnection> OpenAsync(CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (_makesFolder)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(DefaultFile)!);
        }

        var connection = new SqliteConnection(_looks ? Untouched() : _connectionString);
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = _looks ? $"PRAGMA busy_timeout = {connection.DefaultTimeout * 1000}" : string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"PRAGMA busy_timeout = {connection.DefaultTimeout * 1000}; PRAGMA synchronous = FULL; PRAGMA cache_size = -{CacheKiB}; "
                    + $"PRAGMA wal_autocheckpoint = {CheckpointPages}");
            command.ExecuteNonQuery();
            return new ValueTask<DbConnection>(connection);
        }
        catch (Exception e)
        {
            GiveUp(connection, e);
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The same file for one that only looks: nothing is made or changed, and a file that is not there is not made. A write-ahead log
    /// without its files is at rest: SQLite would make them to read it, and a reader cannot remove them; so it is told that nobody writes.
    /// Anywhere else it takes part in the locking, as it must.
    /// </summary>
    public SqliteDatabase ToLookAt() => new(_connectionString, _file, looks: true) { Source = { Name = Source.Name } };

    // For each connection anew: a server may begin to write, and end.
    private string Untouched()
    {
        var path = Path.GetFullPath(_file);
        var builder = new SqliteConnectionStringBuilder(_connectionString) { Mode = SqliteOpenMode.ReadOnly, Pooling = false };
        if (_usesWal.Value && !System.IO.File.Exists(path + "-wal"))
        {
            builder.DataSource = $"file://{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}?immutable=1";
        }

        return builder.ConnectionString;
    }

    /// <summary>A database with the same settings in a file beside this one: <c>policyd.db</c> has <c>policyd-NAME.db</c>.</summary>
    /// <param name="name">What its name has more.</param>
    public SqliteDatabase Beside(string name)
    {
        var builder = new SqliteConnectionStringBuilder(_connectionString) { DataSource = FileBeside(_file, name) };
        return new SqliteDatabase(builder.ConnectionString, builder.DataSource, looks: false, _makesFolder)
        {
            Source = { Name = Source.Name },
        };
    }

    /// <summary>The file of <see cref="Beside"/>.</summary>
    public static string FileBeside(string file, string name) =>
        Path.Combine(Path.GetDirectoryName(file) ?? "", $"{Path.GetFileNameWithoutExtension(file)}-{name}{Path.GetExtension(file)}");

    // Pools of other databases in this process are left alone; this one's handles are closed so that the file can be moved.
    private protected override ValueTask CloseAsync()
    {
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
        return ValueTask.CompletedTask;
    }

    // Byte 18 of the header, the version that a writer must know (sqlite.org/fileformat.html, 1.3.3). Closing a file ends the locks that
    // this process has on it (POSIX): it is read once, before the first connection.
    private static bool UsesWal(string path)
    {
        if (!System.IO.File.Exists(path) || RegularFile.Problem(path) is not null)
        {
            return false;
        }

        try
        {
            using var file = System.IO.File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> version = stackalloc byte[1];
            return RandomAccess.Read(file, version, 18) == 1 && version[0] == 2;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // SQLite cannot open it either, and says so where its failures are expected.
            return false;
        }
    }

    internal static string ConnectionString(SqlConnectionOptions options)
    {
        var builder = new SqliteConnectionStringBuilder { DefaultTimeout = LockWaitSeconds };
        if (options.Dsn.IsPerl)
        {
            builder.DataSource = options.Dsn.Database!;
            builder.Mode = Enum.Parse<SqliteOpenMode>(options.Dsn.Get("mode") ?? nameof(SqliteOpenMode.ReadWriteCreate));
            builder.Cache = Enum.Parse<SqliteCacheMode>(options.Dsn.Get("cache") ?? nameof(SqliteCacheMode.Default));
        }
        else
        {
            Fill(builder, options.Dsn);
        }

        if (builder.DataSource.Length == 0 || builder.DataSource == ":memory:" || builder.Mode == SqliteOpenMode.Memory)
        {
            throw new ArgumentException("a SQLite database in memory loses everything at a restart; name a file");
        }

        return builder.ConnectionString;
    }

    // A file that was read-only when it was opened stays so for that handle, and one that was put aside or whose disk failed stays the old
    // one. From the pool it would come back at each attempt, long after the file is in order. The shared memory of a write-ahead log is one
    // for all handles of this process: opened read-only, it stays so until the last of them is closed.
    internal override void GiveUp(DbConnection connection, Exception cause)
    {
        SqliteConnection.ClearPool((SqliteConnection)connection);
        if (cause is SqliteException e && IsOfHandle(e))
        {
            GiveUpAll();
        }
    }

    internal override SqlFault Classify(Exception exception)
    {
        if (exception is not SqliteException e)
        {
            return new SqlFault(CounterStoreFailure.Unavailable, exception.Message);
        }

        return (_looks && e.SqliteErrorCode == SqliteCode.Cantopen ? s_cannotBeRead : Classify(e)) with
        {
            IsAnswer = true,
            IsOfThisConnection = IsOfHandle(e),
            IsOfStatement = e.SqliteErrorCode is SqliteCode.Error or SqliteCode.Auth,
            IsMissingTable = e.SqliteErrorCode == SqliteCode.Error && e.Message.Contains("no such table", StringComparison.Ordinal),
        };
    }

    private static bool IsOfHandle(SqliteException e) =>
        e.SqliteErrorCode is SqliteCode.Readonly or SqliteCode.Ioerr or SqliteCode.Corrupt or SqliteCode.Notadb or SqliteCode.Cantopen;

    private static SqlFault Classify(SqliteException e)
    {
        return e.SqliteErrorCode switch
        {
            SqliteCode.Busy or SqliteCode.Locked => new(CounterStoreFailure.Busy, "the file is locked by another program"),
            SqliteCode.Full => new(CounterStoreFailure.Refused, "the disk is full"),
            SqliteCode.Readonly => new(CounterStoreFailure.Refused, "the file or its folder is read-only"),
            SqliteCode.Perm or SqliteCode.Auth => new(CounterStoreFailure.Refused, "access to the file is denied"),
            SqliteCode.Corrupt or SqliteCode.Notadb => new(CounterStoreFailure.Refused, "the file is damaged or not a SQLite database"),
            SqliteCode.Cantopen => new(
                CounterStoreFailure.Unavailable,
                "the file cannot be opened; check that its folder exists and that this user can write to it"),
            SqliteCode.Ioerr =>
                new(CounterStoreFailure.Unavailable, "the file cannot be read or written: " + e.Message, ConnectionLost: true),
            SqliteCode.Constraint => new(
                CounterStoreFailure.Schema,
                e.Message,
                Duplicate: e.SqliteExtendedErrorCode is SqliteCode.ConstraintPrimarykey or SqliteCode.ConstraintUnique),
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
