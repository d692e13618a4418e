using System.Data.Common;
using CsCheck;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// What every counter store must do, whatever database is below it. The same tests run on SQLite, PostgreSQL and MariaDB.
/// </summary>
public abstract class CounterStoreSpecs : FreshCounterStore
{
    private const string Month = "2026-11";
    private readonly Guid _node = Guid.NewGuid();
    private long _sequence;

    [Fact]
    public async Task Table_is_made_once_and_then_found_ready()
    {
        Assert.NotEmpty(await Store.DescribePreparationAsync(Table, Cancel));
        Assert.NotEmpty((await Store.PrepareAsync(Table, Cancel)).Done);
        Assert.Empty(await Store.DescribePreparationAsync(Table, Cancel));
        Assert.Empty((await Store.PrepareAsync(Table, Cancel)).Done);
    }

    [Fact]
    public async Task Table_of_commits_that_has_gone_is_made_again_at_the_next_attempt()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, 1));
        await Execute("DROP TABLE policyd_commits");
        var since = DateTimeOffset.UtcNow.AddHours(-1);
        var gone = await Assert.ThrowsAsync<CounterStoreException>(
            () => Store.RequestIdsSinceAsync(since, new Dictionary<Guid, long>(), Cancel));
        Assert.Equal(CounterStoreFailure.Schema, gone.Failure);
        Assert.Empty(await Store.RequestIdsSinceAsync(since, new Dictionary<Guid, long>(), Cancel));
        await Execute("DROP TABLE policyd_commits");
        await Assert.ThrowsAsync<CounterStoreException>(() => Commit(Add("a", 1, 1)));
        Assert.Equal(2, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Nodes_that_prepare_at_once_do_not_break_each_other()
    {
        var prepared = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                await using var store = Database.CreateCounterStore();
                return await store.PrepareAsync(Table, Cancel);
            },
            Cancel)));
        Assert.Single(prepared, info => info.Done.Count > 0);
        await Store.PrepareAsync(Table, Cancel);
        Assert.Single(await Commit(Add("a", 1, 1)));
    }

    [Fact]
    public async Task Table_that_is_none_of_counters_is_refused_when_it_is_prepared()
    {
        await Execute($"CREATE TABLE {Table} (a int)");
        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => Store.PrepareAsync(Table, Cancel));
        Assert.Equal(CounterStoreFailure.Schema, failure.Failure);
    }

    [Fact]
    public async Task Names_that_a_table_holds_for_one_row_are_all_answered()
    {
        var info = await Store.PrepareAsync(Table, Cancel);
        var shared = new string('y', 400);
        var totals = await Commit(Add(shared, 1, 1), Add("b", 2, 2), Add(CounterKeyText.ForTable(shared, info), 1, 1));
        Assert.Equal([2, 2, 2], totals.Select(total => total.Row.Total.Count));
    }

    [Fact]
    public async Task Request_ids_of_many_commits_are_purged_in_pages()
    {
        await Store.PrepareAsync(Table, Cancel);
        var start = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000);
        await Execute(
            $"INSERT INTO policyd_commits (node, seq, at, ids) SELECT '{_node:N}', a.n + 40 * b.n, {start.ToUnixTimeMilliseconds()} + a.n "
                + $"+ 40 * b.n, '' FROM ({Numbers}) a, ({Numbers}) b");
        Assert.Equal(1500, await Store.PurgeRequestIdsAsync(start.AddMilliseconds(1500), Cancel));

        // The newest of its node stays, for as long as a spool of it may come.
        Assert.Equal(99, await Store.PurgeRequestIdsAsync(start.AddHours(1), Cancel));
        Assert.True(await Store.IsCommittedAsync(_node, 1599, Cancel));
        Assert.Equal(0, await Store.PurgeRequestIdsAsync(start + SpoolMark.Kept, Cancel));
        Assert.Equal(1, await Store.PurgeRequestIdsAsync(start + SpoolMark.Kept + TimeSpan.FromHours(1), Cancel));
    }

    [Fact]
    public async Task Commit_adds_up_and_tells_the_new_totals()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, 100), Add("b", 1, 5));
        var totals = await Commit(Add("a", 2, 50), Add("a", 1, 1));

        var (table, row) = Assert.Single(totals);
        Assert.Equal(Table, table);
        Assert.Equal(new CounterRow("a", Month, new CounterAmounts(4, 4, 151, 151)), row);
        Assert.Equal(new CounterAmounts(1, 1, 5, 5), await Load("b"));
        Assert.Equal(default, await Load("c"));
    }

    [Fact]
    public async Task Commit_of_nothing_tells_the_totals()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 3, 4), Add("b", 5, 6));
        Assert.Equal([3, 5, 0], (await Commit(Add("a", 0, 0), Add("b", 0, 0), Add("c", 0, 0))).Select(total => total.Row.Total.Count));
    }

    [Fact]
    public async Task Other_writers_are_seen_at_the_next_commit()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, 1));
        await using (var other = Database.CreateCounterStore())
        {
            await other.PrepareAsync(Table, Cancel);
            await other.CommitAsync(new CounterCommit(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, [], [Add("a", 10, 10)]), Cancel);
        }

        Assert.Equal(12, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Set_makes_the_row_what_it_says_and_adds_after_it_count()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 5, 5));
        var set = new CounterDelta(Table, "a", Month, new CounterAmounts(100, 0, 0, 0), Absolute: true);
        Assert.Equal(102, Assert.Single(await Commit(Add("a", 7, 7), set, Add("a", 2, 2))).Row.Total.Count);
        Assert.Equal(102, (await Load("a")).Count);
    }

    [Fact]
    public async Task Sums_end_at_the_largest_number_instead_of_wrapping()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, long.MaxValue - 1));
        Assert.Equal(long.MaxValue, Assert.Single(await Commit(Add("a", 1, 100))).Row.Total.Size);
    }

    [Fact]
    public async Task Commit_is_found_by_its_number_and_never_applied_twice()
    {
        await Store.PrepareAsync(Table, Cancel);
        var commit = new CounterCommit(_node, 7, DateTimeOffset.UtcNow, [1, UInt128.MaxValue], [Add("a", 1, 1)]);
        Assert.False(await Store.IsCommittedAsync(_node, 7, Cancel));
        await Store.CommitAsync(commit, Cancel);
        Assert.True(await Store.IsCommittedAsync(_node, 7, Cancel));
        var again = await Assert.ThrowsAsync<CounterStoreException>(() => Store.CommitAsync(commit, Cancel));
        Assert.Equal(CounterStoreFailure.AlreadyCommitted, again.Failure);
        Assert.Equal(1, (await Load("a")).Count);
    }

    [Fact]
    public async Task Request_ids_are_read_back_by_time_and_by_what_was_seen()
    {
        await Store.PrepareAsync(Table, Cancel);
        var now = DateTimeOffset.FromUnixTimeMilliseconds(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        var other = Guid.NewGuid();
        await Store.CommitAsync(new CounterCommit(_node, 1, now.AddHours(-1), [1], []), Cancel);
        await Store.CommitAsync(new CounterCommit(_node, 2, now, [2, UInt128.MaxValue], []), Cancel);
        await Store.CommitAsync(new CounterCommit(other, 1, now, [3], []), Cancel);

        var recent = await Store.RequestIdsSinceAsync(now.AddMinutes(-5), new Dictionary<Guid, long>(), Cancel);
        Assert.Equal<UInt128>([2, 3, UInt128.MaxValue], [.. recent.SelectMany(one => one.RequestIds).Order()]);
        Assert.Equal(now, recent.First(one => one.Node == other).At);
        var further = await Store.RequestIdsSinceAsync(
            now.AddMinutes(-5), new Dictionary<Guid, long> { [_node] = 1, [other] = long.MaxValue }, Cancel);
        Assert.Equal([2, UInt128.MaxValue], Assert.Single(further).RequestIds);

        Assert.Equal(1, await Store.PurgeRequestIdsAsync(now.AddMinutes(-30), Cancel));
        Assert.False(await Store.IsCommittedAsync(_node, 1, Cancel));
    }

    [Fact]
    public async Task Rolling_window_loads_its_buckets_and_no_others()
    {
        await Store.PrepareAsync(Table, Cancel);
        var now = DateTimeOffset.UtcNow;
        var window = CounterWindow.Sliding(TimeSpan.FromHours(1), now);
        var old = CounterWindow.Sliding(TimeSpan.FromHours(1), now.AddHours(-2));
        await Commit(
            new CounterDelta(Table, "a", window.Time, new CounterAmounts(1, 0, 0, 0)),
            new CounterDelta(
                Table, "a", CounterWindow.Sliding(TimeSpan.FromHours(1), now.AddMinutes(-30)).Time, new CounterAmounts(2, 0, 0, 0)),
            new CounterDelta(Table, "a", old.Time, new CounterAmounts(4, 0, 0, 0)),
            Add("a", 8, 0));
        var rows = await Store.LoadAsync(Table, [new CounterLoad("a", window.Range)], Cancel);
        Assert.Equal(3, rows.Sum(row => row.Total.Count));
    }

    [Fact]
    public async Task Old_windows_are_purged_and_the_largest_counters_listed_first()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit([.. Enumerable.Range(0, 1500).Select(number =>
            new CounterDelta(Table, $"k{number}", "2020-01", new CounterAmounts(number, 0, 0, 0))), Add("a", 3, 1), Add("b", 9, 1)]);
        Assert.Equal(1500, await Store.PurgeWindowsAsync(Table, time => time == "2020-01", Cancel));
        var rows = await Store.ListAsync(Table, new CounterTimeRange(Month, Month), CounterMetric.Count, 10, Cancel);
        Assert.Equal(["b", "a"], rows.Select(row => row.Key));
        Assert.Equal(9, (await Store.ListAsync(Table, null, CounterMetric.Count, 1, Cancel))[0].Total.Count);
    }

    [Theory]
    [InlineData("o'brien\"; DROP TABLE acct_client_address; --@example.org")]
    [InlineData("größe@例え.jp")]
    [InlineData("emoji😀@example.org")]
    [InlineData("nul\0inside")]
    [InlineData("half\ud83d")]
    [InlineData("back\\slash%_")]
    public async Task Key_of_any_text_is_counted_under_its_own_name(string key)
    {
        await Store.PrepareAsync(Table, Cancel);
        foreach (var odd in new[] { key, new string('x', 300) + key })
        {
            await Commit(Add(odd, 1, 1));
            Assert.Equal(odd, Assert.Single(await Commit(Add(odd, 1, 1))).Row.Key);
            Assert.Equal(2, (await Load(odd)).Count);
        }
    }

    [Fact]
    public async Task Two_stores_that_write_the_same_rows_lose_nothing()
    {
        await Store.PrepareAsync(Table, Cancel);
        const int Commits = 40;
        async Task Write(int offset)
        {
            var store = Database.CreateCounterStore();
            await using (store)
            {
                await store.PrepareAsync(Table, Cancel);
                var node = Guid.NewGuid();
                for (var number = 1; number <= Commits; number++)
                {
                    var deltas = Enumerable.Range(0, 20).Select(key => Add($"k{(key + offset) % 20}", 1, 1)).ToArray();
                    var commit = new CounterCommit(node, number, DateTimeOffset.UtcNow, [], deltas);
                    await Eventually.Holds("a commit to go through", async () =>
                    {
                        try
                        {
                            await store.CommitAsync(commit, Cancel);
                            return true;
                        }
                        catch (CounterStoreException exception) when (exception.Failure is CounterStoreFailure.Conflict
                            or CounterStoreFailure.Unavailable)
                        {
                            return false;
                        }
                    });
                }
            }
        }

        await Task.WhenAll(Enumerable.Range(0, 3).Select(writer => Task.Run(() => Write(7 * writer), Cancel)));
        for (var key = 0; key < 20; key++)
        {
            Assert.Equal(3 * Commits, (await Load($"k{key}")).Count);
        }
    }

    [Fact]
    public async Task Store_and_a_plain_dictionary_agree_on_random_commits()
    {
        await Store.PrepareAsync(Table, Cancel);
        var model = new Dictionary<(string, string), CounterAmounts>();
        var delta = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 2], Gen.Int[0, 9], Gen.Int[0, 9], (key, time, count, absolute) =>
            new CounterDelta(
                Table, $"key{key}", $"2026-0{time + 1}", new CounterAmounts(count, count, 2 * count, 3 * count), absolute == 0));
        await delta.Array[1, 12].SampleAsync(
            async deltas =>
            {
                foreach (var one in deltas)
                {
                    var id = (one.Key, one.Time);
                    model[id] = one.Absolute ? one.Amounts : model.GetValueOrDefault(id) + one.Amounts;
                }

                foreach (var (_, row) in await Commit(deltas))
                {
                    Assert.Equal(model[(row.Key, row.Time)], row.Total);
                }
            },
            iter: 60,
            threads: 1);
    }

    private static string Numbers =>
        string.Join(" UNION ALL ", Enumerable.Range(0, 40).Select(n => $"SELECT {n}{(n == 0 ? " AS n" : "")}"));

    /// <summary>In a table of mtpolicyd in MariaDB, whose collation takes some spellings for one.</summary>
    private protected async Task CountSpellings()
    {
        await Execute(MtpolicydTables.MySql);
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("jose@example.org", 1, 1));
        var totals = await Commit(Add("José@example.org", 1, 1), Add("JOSE@example.org ", 1, 1), Add("日本", 1, 1));
        Assert.Equal(["JOSE@example.org ", "José@example.org", "日本"], totals.Select(total => total.Row.Key).Order(StringComparer.Ordinal));
        Assert.Equal(3, (await Load("josé@example.org")).Count);
        Assert.Equal(3, (await Load("jose@example.org")).Count);
        Assert.Equal(1, (await Load("日本")).Count);
    }

    /// <summary>
    /// Stops a database while a commit waits in it for a lock, and starts it again: the commit fails in a way that tells what to do, and
    /// doing that counts it once.
    /// </summary>
    private protected async Task Survive(SqlConnectionOptions options, Func<Task> stop, Func<Task> start)
    {
        await using var database = SqlDatabase.Create(options);
        await using var store = database.CreateCounterStore();
        await store.PrepareAsync(Table, Cancel);
        await store.CommitAsync(new CounterCommit(_node, 0, DateTimeOffset.UtcNow, [], [Add("a", 1, 1)]), Cancel);
        var commit = new CounterCommit(_node, 1, DateTimeOffset.UtcNow, [7], [Add("a", 10, 10)]);
        var other = await database.OpenAsync(Cancel);
        await Execute(other, $"BEGIN; UPDATE {Table} SET size = size");
        var waiting = store.CommitAsync(commit, Cancel);
        await stop();
        await Record.ExceptionAsync(async () => await other.DisposeAsync());
        var wasIn = await Record.ExceptionAsync(() => waiting) switch
        {
            // The server may end the lock's holder first, and then the commit gets in before its own connection ends.
            null => true,
            CounterStoreException { Failure: CounterStoreFailure.Unavailable or CounterStoreFailure.CommitUnknown } => false,
            var unexpected => throw new InvalidOperationException("an unexpected failure", unexpected),
        };
        // A commit that got in leaves a connection that looks alive: that it has ended is first seen by the next commit, in its own middle.
        CounterStoreFailure[] expected = wasIn
            ? [CounterStoreFailure.Unavailable, CounterStoreFailure.CommitUnknown]
            : [CounterStoreFailure.Unavailable];
        Assert.Contains((await Assert.ThrowsAsync<CounterStoreException>(() => store.CommitAsync(commit, Cancel))).Failure, expected);
        Assert.Equal(
            CounterStoreFailure.Unavailable,
            (await Assert.ThrowsAsync<CounterStoreException>(() => store.IsCommittedAsync(_node, 1, Cancel))).Failure);

        await start();
        wasIn |= await store.IsCommittedAsync(_node, 1, Cancel);   // its answer may have been lost
        if (wasIn)
        {
            Assert.Equal(
                CounterStoreFailure.AlreadyCommitted,
                (await Assert.ThrowsAsync<CounterStoreException>(() => store.CommitAsync(commit, Cancel))).Failure);
        }
        else
        {
            Assert.Equal(11, Assert.Single(await store.CommitAsync(commit, Cancel)).Row.Total.Count);
        }

        Assert.Equal(
            12, Assert.Single(await store.CommitAsync(commit with { Sequence = 2, Deltas = [Add("a", 1, 1)] }, Cancel)).Row.Total.Count);
    }

    private protected async Task Execute(string sql)
    {
        await using var connection = await Database.OpenAsync(Cancel);
        await Execute(connection, sql);
    }

    private protected static async Task Execute(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private protected async Task<CounterAmounts> Load(string key, string time = Month)
    {
        var rows = await Store.LoadAsync(Table, [new CounterLoad(key, new CounterTimeRange(time, time))], Cancel);
        return rows.Count == 0 ? default : Assert.Single(rows).Total;
    }

    private protected static CounterDelta Add(string key, long count, long size) =>
        new(Table, key, Month, new CounterAmounts(count, count, size, size));

    private protected Task<IReadOnlyList<(string Table, CounterRow Row)>> Commit(params CounterDelta[] deltas) =>
        Store.CommitAsync(new CounterCommit(_node, ++_sequence + 100, DateTimeOffset.UtcNow, [], deltas), Cancel);
}
