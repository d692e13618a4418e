using System.Data.Common;
using System.Globalization;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// One writer a key: a fence waits for the commit that is under way, and after it no commit of its member is written. The same tests run on
/// PostgreSQL and MariaDB, with two stores as two nodes have them.
/// </summary>
public abstract class FenceTableSpecs : FreshCounterStore
{
    private const string First = "10.0.0.1:4053#1";
    private const string Second = "10.0.0.2:4053#2";
    private const string Month = "2026-11";
    private readonly Guid _node = Guid.NewGuid();
    private long _sequence;

    [Fact]
    public async Task Server_that_is_alone_has_no_table_of_members()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(null, "a");
        Assert.Equal(["table policyd_nodes: created"], await OwnSchema.DescribeAsync(Database, OwnTableGroup.Nodes, Cancel));
    }

    [Fact]
    public async Task Member_that_has_entered_commits_and_one_that_has_not_is_refused()
    {
        await Store.PrepareAsync(Table, Cancel);
        await IsRefused(First);
        await Store.EnterMemberAsync(First, Cancel);
        await Store.EnterMemberAsync(First, Cancel);
        Assert.Equal(1, await Commit(First, "a"));
        Assert.Equal(2, await Commit(First, "a"));
        await Store.EnterMemberAsync(Second, Cancel);
        Assert.Equal([First, Second], await Store.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Fence_waits_for_the_commit_that_is_under_way()
    {
        await Prepared();
        await using var holder = await HoldRow("a");
        var commit = Commit(First, "a");
        await Eventually.Holds("the commit to wait for the row", async () => await Waiters() == 1);
        await using var other = Database.CreateCounterStore();
        var fence = Fence(other, First);
        await Eventually.Holds("the fence to wait for the commit", async () => await Waiters() == 2);
        Assert.False(fence.IsCompleted);

        await Execute(holder, "COMMIT");
        Assert.Equal(2, await Eventually.Ends("the commit", commit));
        await fence;
        Assert.Equal(2, await Number($"SELECT count FROM {Table}"));
        await IsRefused(First);
    }

    [Fact]
    public async Task Fence_that_waits_for_long_is_busy()
    {
        await Prepared();
        await using var holder = await HoldRow("a");
        var commit = Commit(First, "a");
        await Eventually.Holds("the commit to wait for the row", async () => await Waiters() == 1);
        await using var other = Database.CreateCounterStore();
        var busy = await Assert.ThrowsAsync<CounterStoreException>(() => other.FenceMemberAsync(First, Cancel));
        Assert.Equal(CounterStoreFailure.Busy, busy.Failure);
        await Execute(holder, "COMMIT");
        Assert.Equal(2, await Eventually.Ends("the commit", commit));
        Assert.Equal([First, Second], await Store.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Commit_that_begins_after_a_fence_waits_for_it_and_is_refused()
    {
        await Prepared();
        await using var fence = await Database.OpenAsync(Cancel);
        await Execute(fence, $"BEGIN; UPDATE policyd_nodes SET fenced = 1 WHERE member = '{First}'");
        var commit = Commit(First, "a");
        await Eventually.Holds("the commit to wait for the fence", async () => await Waiters() == 1);
        await Execute(fence, "COMMIT");
        var refused = await Assert.ThrowsAsync<CounterStoreException>(() => Eventually.Ends("the commit", commit));
        Assert.Equal(CounterStoreFailure.Fenced, refused.Failure);
        Assert.Equal(1, await Number($"SELECT count FROM {Table}"));
    }

    [Fact]
    public async Task Refused_commit_leaves_nothing_behind()
    {
        await Prepared();
        await Store.FenceMemberAsync(First, Cancel);
        var mark = new SpoolMark(_node, Table, 7);
        var commit = new CounterCommit(_node, 9, DateTimeOffset.UtcNow, [5], [One("a"), One("b") with { Absolute = true }])
        {
            Member = First,
            Spooled = [mark],
        };
        Assert.Equal(
            CounterStoreFailure.Fenced,
            (await Assert.ThrowsAsync<CounterStoreException>(() => Store.CommitAsync(commit, Cancel))).Failure);
        Assert.Equal(1, await Number($"SELECT sum(count) FROM {Table}"));
        Assert.Equal(1, await Number("SELECT count(*) FROM policyd_commits"));
        Assert.Empty(await Store.SpoolMarksAsync(_node, Cancel));

        // Another member writes the very commit.
        await Store.CommitAsync(commit with { Member = Second }, Cancel);
        Assert.Equal([mark], await Store.SpoolMarksAsync(_node, Cancel));
    }

    [Fact]
    public async Task Member_that_was_fenced_before_it_entered_never_enters()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Store.FenceMemberAsync(First, Cancel);
        await Store.FenceMemberAsync(First, Cancel);
        var refused = await Assert.ThrowsAsync<CounterStoreException>(() => Store.EnterMemberAsync(First, Cancel));
        Assert.Equal(CounterStoreFailure.Fenced, refused.Failure);
        Assert.Contains(First, refused.Message, StringComparison.Ordinal);
        await IsRefused(First);
        Assert.Empty(await Store.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Two_nodes_that_fence_each_other_both_commit_no_more()
    {
        await Prepared();
        await using var other = Database.CreateCounterStore();
        await Task.WhenAll(Fence(Store, Second), Fence(other, First));
        await IsRefused(First);
        await IsRefused(Second);
        Assert.Empty(await Store.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Commits_and_fences_at_one_time_end_with_what_was_answered()
    {
        await Prepared();
        await using var other = Database.CreateCounterStore();
        var committed = 1;
        var commits = Task.Run(
            async () =>
            {
                while (true)
                {
                    try
                    {
                        await Commit(First, "a");
                        Interlocked.Increment(ref committed);
                    }
                    catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Fenced)
                    {
                        return;
                    }
                }
            },
            Cancel);
        await Eventually.Holds("some commits", () => Volatile.Read(ref committed) > 20);
        await Fence(other, First);
        var after = await Number($"SELECT count FROM {Table}");
        await Eventually.Ends("the commits", commits.ContinueWith(static ended => ended.IsCompletedSuccessfully, TaskScheduler.Default));
        Assert.Equal(committed, await Number($"SELECT count FROM {Table}"));
        Assert.Equal(after, committed);
    }

    [Fact]
    public async Task Attempt_that_got_in_before_the_fence_is_found()
    {
        await Prepared();
        var commit = new CounterCommit(_node, 2, DateTimeOffset.UtcNow, [5], [One("a")]) { Member = First };
        await Store.CommitAsync(commit, Cancel);
        await Store.FenceMemberAsync(First, Cancel);
        var again = await Assert.ThrowsAsync<CounterStoreException>(() => Store.CommitAsync(commit, Cancel));
        Assert.Equal(CounterStoreFailure.AlreadyCommitted, again.Failure);
        Assert.Equal(2, await Number($"SELECT count FROM {Table}"));
    }

    [Fact]
    public async Task Commits_of_former_lives_are_closed_whoever_is_fenced()
    {
        await Prepared();
        await Store.FenceMemberAsync(First, Cancel);
        Assert.True(await Store.CloseAsync(_node, 1, DateTimeOffset.UtcNow, Cancel));
        Assert.False(await Store.CloseAsync(_node, 2, DateTimeOffset.UtcNow, Cancel));
        await Assert.ThrowsAsync<CounterStoreException>(
            () => Store.CommitAsync(
                new CounterCommit(_node, 2, DateTimeOffset.UtcNow, [], [One("a")]) { Member = Second }, Cancel));
    }

    [Fact]
    public async Task Table_of_members_that_has_gone_is_made_again_without_them()
    {
        await Prepared();
        await Execute("DROP TABLE policyd_nodes");
        Assert.Equal(CounterStoreFailure.Schema, (await Assert.ThrowsAsync<CounterStoreException>(() => Commit(First, "a"))).Failure);
        await IsRefused(First);
        await Store.EnterMemberAsync(Second, Cancel);
        Assert.Equal(2, await Commit(Second, "a"));
    }

    [Fact]
    public async Task Members_that_were_fenced_a_month_ago_are_purged()
    {
        await Prepared();
        await Store.FenceMemberAsync(First, Cancel);
        var now = DateTimeOffset.UtcNow;
        var at = await Number($"SELECT at FROM policyd_nodes WHERE member = '{First}'");
        Assert.InRange(at, now.AddHours(-1).ToUnixTimeMilliseconds(), now.AddHours(1).ToUnixTimeMilliseconds());
        await Store.PurgeRequestIdsAsync(now + SpoolMark.Kept - TimeSpan.FromHours(2), Cancel);
        await IsRefused(First);
        Assert.Equal(2, await Number("SELECT count(*) FROM policyd_nodes"));
        await Store.PurgeRequestIdsAsync(now + SpoolMark.Kept + TimeSpan.FromHours(2), Cancel);
        Assert.Equal([Second], await Store.UnfencedMembersAsync(Cancel));
        Assert.Equal(1, await Number("SELECT count(*) FROM policyd_nodes"));
        await IsRefused(First);
    }

    /// <summary>How many statements wait for a lock.</summary>
    private protected abstract Task<long> Waiters();

    private static CounterDelta One(string key) => new(Table, key, Month, new CounterAmounts(1, 1, 1, 1));

    private static async Task Fence(ICounterStore store, string member)
    {
        // On a busy machine the commit before it may take longer than a fence waits.
        await Eventually.Holds(
            $"{member} to be fenced",
            async () =>
            {
                try
                {
                    await store.FenceMemberAsync(member, Cancel);
                    return true;
                }
                catch (CounterStoreException e) when (e.Failure is CounterStoreFailure.Busy or CounterStoreFailure.Conflict)
                {
                    return false;
                }
            });
    }

    private async Task Prepared()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Store.EnterMemberAsync(First, Cancel);
        await Store.EnterMemberAsync(Second, Cancel);
        await Commit(First, "a");
    }

    private async Task<long> Commit(string? member, string key)
    {
        var commit = new CounterCommit(_node, ++_sequence, DateTimeOffset.UtcNow, [(UInt128)_sequence], [One(key)]) { Member = member };
        return Assert.Single(await Store.CommitAsync(commit, Cancel)).Row.Total.Count;
    }

    private async Task IsRefused(string member)
    {
        var refused = await Assert.ThrowsAsync<CounterStoreException>(() => Commit(member, "a"));
        Assert.Equal(CounterStoreFailure.Fenced, refused.Failure);
    }

    private async Task<DbConnection> HoldRow(string key)
    {
        var connection = await Database.OpenAsync(Cancel);
        await Execute(connection, $"BEGIN; UPDATE {Table} SET size = size WHERE {Database.QuoteIdentifier("key")} = '{key}'");
        return connection;
    }

    private async Task Execute(string sql)
    {
        await using var connection = await Database.OpenAsync(Cancel);
        await Execute(connection, sql);
    }

    private static async Task Execute(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private protected async Task<long> Number(string sql)
    {
        await using var connection = await Database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(await command.ExecuteScalarAsync(Cancel), CultureInfo.InvariantCulture);
    }
}

[ServerTest]
public sealed class PostgresFenceTableSpecs(PostgresServer server) : FenceTableSpecs
{
    private protected override Task<long> Waiters() =>
        Number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'");

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}

[ServerTest]
public sealed class MariaDbFenceTableSpecs(MariaDbServer server) : FenceTableSpecs
{
    private protected override async Task<long> Waiters()
    {
        // The server shows what it showed before when it is asked again within 0.1 s.
        await Task.Delay(150, Cancel);
        return await Number(
            "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
                + "WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()");
    }

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}
