using System.Data.Common;
using Policyd.Backends.Dsn;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// Tables of an older server are upgraded with all that is in them, by one of the servers that start at once; those of a newer server are
/// refused. The same tests run on SQLite, PostgreSQL and MariaDB.
/// </summary>
public abstract class SchemaSpecs : FreshCounterStore
{
    private static readonly Guid s_node = Guid.Parse("00112233445566778899aabbccddeeff");
    private static readonly DateTimeOffset s_at = DateTimeOffset.FromUnixTimeMilliseconds(1_790_000_000_000);

    private static CounterTimeRange Month => new("2026-11", "2026-11");

    [Fact]
    public async Task Database_of_version_1_is_upgraded_and_keeps_its_counts_and_ids()
    {
        await MakeVersion1();
        string[] changes =
        [
            "table policyd_schema: created", "table policyd_spool: created", "table policyd_commits: column format added",
            "tables of counters: upgraded from version 1 to version 2",
        ];
        Assert.Equal(changes, await OwnSchema.DescribeAsync(Database, OwnTableGroup.Counters, Cancel));
        Assert.Equal(changes, await OwnSchema.DescribeAsync(Database, OwnTableGroup.Counters, Cancel));
        Assert.Equal(changes, (await Store.PrepareAsync(Table, Cancel)).Done);
        Assert.Empty(await OwnSchema.DescribeAsync(Database, OwnTableGroup.Counters, Cancel));

        Assert.Equal(new CounterAmounts(7, 8, 9, 10), Assert.Single(await Load()).Total);
        Assert.True(await Store.IsCommittedAsync(s_node, 41, Cancel));
        Assert.Equal([(1, 1), (1, UInt128.MaxValue)], await Ids());

        var commit = new CounterCommit(
            Guid.NewGuid(), 1, s_at.AddSeconds(1), [5], [new(Table, "192.0.2.7", "2026-11", new CounterAmounts(1, 1, 1, 1))])
        {
            IdFormat = 2,
        };
        Assert.Equal(8, Assert.Single(await Store.CommitAsync(commit, Cancel)).Row.Total.Count);
        Assert.Equal([(1, 1), (1, UInt128.MaxValue), (2, 5)], await Ids());
    }

    [Fact]
    public async Task Server_of_version_1_still_writes_to_tables_that_were_upgraded()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Execute(Version1Commit);
        Assert.Equal([(1, 1), (1, UInt128.MaxValue)], await Ids());
    }

    [Fact]
    public async Task Servers_that_upgrade_at_once_do_it_once()
    {
        await MakeVersion1();
        var prepared = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(
            async () =>
            {
                await using var store = Database.CreateCounterStore();
                return await store.PrepareAsync(Table, Cancel);
            },
            Cancel)));
        Assert.Equal(4, Assert.Single(prepared, info => info.Done.Count > 0).Done.Count);
        Assert.Equal(1, await Number("SELECT count(*) FROM policyd_schema"));
        Assert.Equal(2, (await Ids()).Count);
    }

    [Fact]
    public async Task Upgrade_that_was_cut_off_is_continued()
    {
        await MakeVersion1();
        await Execute("ALTER TABLE policyd_commits ADD COLUMN format smallint DEFAULT 1 NOT NULL");
        Assert.DoesNotContain((await Store.PrepareAsync(Table, Cancel)).Done, done => done.Contains("column", StringComparison.Ordinal));
        Assert.Equal(2, await Number("SELECT version FROM policyd_schema WHERE component = 'counters'"));
        Assert.Equal(2, (await Ids()).Count);
    }

    [Fact]
    public async Task Tables_of_a_newer_server_are_refused_in_a_sentence_and_left_alone()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Execute("UPDATE policyd_schema SET version = 3 WHERE component = 'counters'");
        var sentence = $"{Database.Description}: the tables of counters (policyd_schema) have version 3, and this server knows no version "
            + "after 2; run the version of policyd that changed them, or a newer one";
        await using var older = Database.CreateCounterStore();
        var refused = await Assert.ThrowsAsync<CounterStoreException>(() => older.PrepareAsync(Table, Cancel));
        Assert.Equal((CounterStoreFailure.Schema, sentence), (refused.Failure, refused.Message));
        await Assert.ThrowsAsync<CounterStoreException>(
            () => older.CommitAsync(new CounterCommit(s_node, 1, s_at, [], [new(Table, "a", "b", default)]), Cancel));
        Assert.Equal(
            sentence,
            (await Assert.ThrowsAsync<NewerSchemaException>(
                () => OwnSchema.DescribeAsync(Database, OwnTableGroup.Counters, Cancel))).Message);
        Assert.Equal(0, await Number("SELECT count(*) FROM policyd_commits"));
    }

    [Fact]
    public async Task Each_group_has_its_own_version()
    {
        var groups = OwnTableGroup.AllOf(Database.Provider);
        foreach (var group in groups)
        {
            Assert.NotEmpty(await OwnSchema.DescribeAsync(Database, group, Cancel));
            Assert.Empty(await OwnSchema.PrepareAsync(Database, group, Cancel));
            Assert.Empty(await OwnSchema.DescribeAsync(Database, group, Cancel));
        }

        Assert.Equal(groups.Count, await Number("SELECT count(*) FROM policyd_schema"));
    }

    [Fact]
    public async Task Marks_of_a_spool_stand_with_their_commit_never_go_back_and_stay_a_month()
    {
        await Store.PrepareAsync(Table, Cancel);
        var other = Guid.NewGuid();
        await Mark(1, new SpoolMark(s_node, Table, 7), new SpoolMark(s_node, "acct_sender", 2), new SpoolMark(other, Table, 1));
        await Mark(2, new SpoolMark(s_node, Table, 5));
        SpoolMark[] expected = [new(s_node, Table, 7), new(s_node, "acct_sender", 2)];
        Assert.Equal(expected, (await Store.SpoolMarksAsync(s_node, Cancel)).OrderBy(mark => -mark.Through));
        Assert.Empty(await Store.SpoolMarksAsync(Guid.NewGuid(), Cancel));

        // The same commit again is refused as a whole.
        await Assert.ThrowsAsync<CounterStoreException>(() => Mark(2, new SpoolMark(s_node, Table, 99)));
        await Store.PurgeRequestIdsAsync(s_at + SpoolMark.Kept, Cancel);
        Assert.Equal(expected, (await Store.SpoolMarksAsync(s_node, Cancel)).OrderBy(mark => -mark.Through));
        await Store.PurgeRequestIdsAsync(s_at + SpoolMark.Kept + TimeSpan.FromDays(1), Cancel);
        Assert.Empty(await Store.SpoolMarksAsync(s_node, Cancel));

        Task Mark(long sequence, params SpoolMark[] marks) => Store.CommitAsync(
            new CounterCommit(s_node, sequence, s_at, [], [new(Table, "a", "b", new CounterAmounts(1, 1, 1, 1))]) { Spooled = marks },
            Cancel);
    }

    [Fact]
    public async Task Mark_that_another_process_has_moved_refuses_the_whole_commit()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Mark(1, new SpoolMark(s_node, Table, 7) { From = 0 });
        await Mark(2, new SpoolMark(s_node, Table, 9) { From = 7 });
        foreach (var from in new[] { 0, 7, 8 })
        {
            var refused = await Assert.ThrowsAsync<CounterStoreException>(
                () => Mark(3, new SpoolMark(s_node, "acct_sender", 1) { From = 0 }, new SpoolMark(s_node, Table, 20) { From = from }));
            Assert.Equal(CounterStoreFailure.Conflict, refused.Failure);
        }

        Assert.Equal([new(s_node, Table, 9)], await Store.SpoolMarksAsync(s_node, Cancel));
        Assert.False(await Store.IsCommittedAsync(s_node, 3, Cancel));
        await Mark(3, new SpoolMark(s_node, Table, 10) { From = 9 });
        await Mark(4, new SpoolMark(s_node, Table, 11));
        Assert.Equal([new(s_node, Table, 11)], await Store.SpoolMarksAsync(s_node, Cancel));
        Assert.Equal(4, await Number($"SELECT count FROM {Table}"));

        Task Mark(long sequence, params SpoolMark[] marks) => Store.CommitAsync(
            new CounterCommit(s_node, sequence, s_at, [], [new(Table, "a", "b", new CounterAmounts(1, 1, 1, 1))]) { Spooled = marks },
            Cancel);
    }

    [Fact]
    public async Task Commit_that_was_closed_can_never_come()
    {
        await Store.PrepareAsync(Table, Cancel);
        CounterDelta[] one = [new(Table, "a", "b", new CounterAmounts(1, 1, 1, 1))];
        await Store.CommitAsync(new CounterCommit(s_node, 1, s_at, [], one), Cancel);
        Assert.True(await Store.CloseAsync(s_node, 1, s_at, Cancel));
        Assert.False(await Store.CloseAsync(s_node, 2, s_at, Cancel));
        Assert.False(await Store.CloseAsync(s_node, 2, s_at, Cancel));
        await Assert.ThrowsAsync<CounterStoreException>(() => Store.CommitAsync(new CounterCommit(s_node, 2, s_at, [], one), Cancel));
        Assert.Equal(1, await Number($"SELECT count FROM {Table}"));
    }

    [Fact]
    public async Task Newest_commit_of_each_process_outlives_the_others()
    {
        await Store.PrepareAsync(Table, Cancel);
        var other = Guid.NewGuid();
        foreach (var (node, sequence) in new[] { (s_node, 1L), (s_node, 2), (other, 1), (s_node, 3), (other, 7) })
        {
            await Store.CommitAsync(new CounterCommit(node, sequence, s_at.AddMilliseconds(sequence), [1], []), Cancel);
        }

        Assert.Equal(3, await Store.PurgeRequestIdsAsync(s_at.AddDays(20), Cancel));
        Assert.True(await Store.IsCommittedAsync(s_node, 3, Cancel));
        Assert.True(await Store.IsCommittedAsync(other, 7, Cancel));
        Assert.Equal(2, await Store.PurgeRequestIdsAsync(s_at.AddDays(31), Cancel));
    }

    /// <summary>The tables as the last server before versions made them.</summary>
    private protected abstract string Version1Tables { get; }

    /// <summary>A byte string as a literal.</summary>
    private protected abstract string Blob(string hex);

    private string Version1Commit =>
        $"INSERT INTO policyd_commits (node, seq, at, ids) VALUES ('{s_node:N}', 41, {s_at.ToUnixTimeMilliseconds()}, "
            + $"{Blob("00000000000000000000000000000001ffffffffffffffffffffffffffffffff")})";

    private async Task MakeVersion1()
    {
        await Execute(Version1Tables);
        await Execute(Version1Commit);
        await Execute($"INSERT INTO {Table} VALUES ('192.0.2.7', '2026-11', 7, 8, 9, 10)");
    }

    private Task<IReadOnlyList<CounterRow>> Load() => Store.LoadAsync(Table, [new CounterLoad("192.0.2.7", Month)], Cancel);

    private async Task<List<(int Format, UInt128 Id)>> Ids() =>
    [
        .. (await Store.RequestIdsSinceAsync(s_at.AddHours(-1), new Dictionary<Guid, long>(), Cancel))
            .SelectMany(commit => commit.RequestIds.Select(id => (commit.Format, id)))
    ];

    private async Task Execute(string sql)
    {
        await using var connection = await Database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private async Task<long> Number(string sql)
    {
        await using var connection = await Database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(await command.ExecuteScalarAsync(Cancel), System.Globalization.CultureInfo.InvariantCulture);
    }
}

public sealed class SqliteSchemaSpecs : SchemaSpecs, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private protected override string Version1Tables => """
        PRAGMA journal_mode = WAL;
        CREATE TABLE policyd_commits (node TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, ids BLOB NOT NULL, PRIMARY KEY (node, seq));
        CREATE INDEX policyd_commits_at ON policyd_commits (at);
        CREATE TABLE acct_client_address ("key" VARCHAR(255) NOT NULL, "time" VARCHAR(255) NOT NULL, count BIGINT NOT NULL,
          count_rcpt BIGINT NOT NULL, size BIGINT NOT NULL, size_rcpt BIGINT NOT NULL, PRIMARY KEY ("key", "time")) WITHOUT ROWID
        """;

    public void Dispose() => _folder.Dispose();

    private protected override string Blob(string hex) => $"x'{hex}'";

    private protected override Task<SqlConnectionOptions> Options() => Task.FromResult(
        new SqlConnectionOptions { Dsn = Dsn($"Data Source={_folder["counters.db"]}"), Provider = SqlProvider.SQLite });
}

[ServerTest]
public sealed class PostgresSchemaSpecs(PostgresServer server) : SchemaSpecs
{
    private protected override string Version1Tables => """
        CREATE TABLE policyd_commits (node char(32) COLLATE "C" NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, ids bytea NOT NULL,
          PRIMARY KEY (node, seq));
        CREATE INDEX policyd_commits_at ON policyd_commits (at);
        CREATE TABLE acct_client_address ("key" varchar(255) COLLATE "C" NOT NULL, "time" varchar(255) COLLATE "C" NOT NULL,
          count bigint NOT NULL, count_rcpt bigint NOT NULL, size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY ("key", "time"))
        """;

    private protected override string Blob(string hex) => $@"'\x{hex}'";

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}

[ServerTest]
public sealed class MariaDbSchemaSpecs(MariaDbServer server) : SchemaSpecs
{
    private protected override string Version1Tables => """
        CREATE TABLE policyd_commits (node char(32) NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, ids longblob NOT NULL,
          PRIMARY KEY (node, seq), KEY policyd_commits_at (at)) ENGINE=InnoDB CHARACTER SET ascii COLLATE ascii_bin;
        CREATE TABLE acct_client_address (`key` varchar(255) NOT NULL, `time` varchar(255) NOT NULL, count bigint NOT NULL,
          count_rcpt bigint NOT NULL, size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY (`key`, `time`)) ENGINE=InnoDB
          CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC
        """;

    private protected override string Blob(string hex) => $"x'{hex}'";

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}
