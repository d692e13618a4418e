using Microsoft.Data.Sqlite;
using Policyd.Backends.SqlCounters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>Where our own methods come in front of a log of SQLite's, what they hold, and how they go again.</summary>
public sealed class SqliteLogMethodsSpecs : IDisposable
{
    private const string Many = "INSERT INTO t SELECT zeroblob(3000) FROM "
        + "(WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT i FROM n)";

    private readonly TemporaryFolder _folder = new();

    private string DatabaseFile => _folder["counters.db"];

    [Theory]
    [InlineData(true, "WAL", "FULL")]
    [InlineData(true, "WAL", "EXTRA")]
    [InlineData(false, "WAL", "NORMAL")]
    [InlineData(false, "DELETE", "FULL")]
    [InlineData(false, "MEMORY", "FULL")]
    [InlineData(false, "WAL", "FULL", "Cache=Shared")]
    public void It_is_attached_only_where_a_sync_ends_each_commit_of_a_log(
        bool attached, string journal, string synchronous, string more = "")
    {
        using var connection = Open(DatabaseFile, more);
        Run(connection, $"PRAGMA journal_mode = {journal}; PRAGMA synchronous = {synchronous}; CREATE TABLE t (x)");
        using var log = SqliteLogFile.TryAttach(connection);
        Assert.Equal(attached, log is not null);
        Run(connection, "INSERT INTO t VALUES (1)");
    }

    [Fact]
    public void It_is_not_attached_when_another_file_has_come_in_place_of_the_log()
    {
        using var connection = OpenWithLog();
        var log = DatabaseFile + "-wal";
        File.Move(log, log + ".kept");
        Assert.Null(SqliteLogFile.TryAttach(connection));
        var bytes = File.ReadAllBytes(log + ".kept");
        bytes[16]++;
        File.WriteAllBytes(log, bytes);
        Assert.Null(SqliteLogFile.TryAttach(connection));
        File.Move(log + ".kept", log, overwrite: true);
        using var attached = SqliteLogFile.TryAttach(connection);
        Assert.NotNull(attached);
        Assert.Null(SqliteLogFile.TryAttach(connection));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void What_is_held_is_written_unless_the_transaction_is_over(bool isOver)
    {
        using var connection = OpenWithLog();
        using var log = SqliteLogFile.TryAttach(connection)!;

        // A small cache: pages come into the log before any COMMIT. All before them are copied into the file, so that ROLLBACK reads none
        // in the log, which would write what is held.
        Run(connection, "PRAGMA wal_checkpoint; PRAGMA cache_size = 5; BEGIN IMMEDIATE");
        Run(connection, Many);
        var writes = log.Writes;
        log.Begin();
        Run(connection, Many);
        Assert.Equal(writes, log.Writes);
        if (isOver)
        {
            Run(connection, "ROLLBACK");
            using var other = Open(DatabaseFile);
            Run(other, "INSERT INTO t VALUES ('theirs')");
        }

        log.End(succeeded: false);
        Assert.Equal(writes + (isOver ? 0 : 1), log.Writes);
        Run(connection, isOver ? "INSERT INTO t VALUES ('ours')" : "ROLLBACK; INSERT INTO t VALUES ('ours')");
        Assert.Equal("ok", Scalar(connection, "PRAGMA integrity_check"));
        Assert.Equal(isOver ? "2" : "1", Scalar(connection, "SELECT count(*) FROM t"));
    }

    [Fact]
    public void Connection_that_is_closed_first_leaves_it_in_order()
    {
        var connection = OpenWithLog();
        var log = SqliteLogFile.TryAttach(connection)!;
        connection.Dispose();
        log.Begin();
        log.End(succeeded: true);
        log.Dispose();
        Assert.True(log.Descriptor.IsClosed);
        Assert.False(File.Exists(DatabaseFile + "-wal"), "SQLite did not close the log");
    }

    public void Dispose() => _folder.Dispose();

    private static SqliteConnection Open(string file, string more = "")
    {
        var connection = new SqliteConnection($"Data Source={file};Pooling=False;{more}");
        connection.Open();
        return connection;
    }

    private static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static string? Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar()?.ToString();
    }

    private SqliteConnection OpenWithLog()
    {
        var connection = Open(DatabaseFile);
        Run(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)");
        return connection;
    }
}
