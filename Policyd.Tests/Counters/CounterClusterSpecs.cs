using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>Two nodes and one database: each key has one owner, whoever asks, and a node that goes away takes nothing with it.</summary>
public sealed class CounterClusterSpecs : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly TemporaryFolder _folder = new();
    private readonly List<CounterNodeUnderTest> _nodes = [];
    private readonly List<SqlDatabase> _databases = [];
    private readonly List<ICounterStore> _stores = [];
    private readonly ScriptedCounterStore _scripted = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        foreach (var store in _stores)
        {
            await store.DisposeAsync();
        }

        foreach (var database in _databases)
        {
            await database.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task Adds_from_both_nodes_are_counted_once_each_at_the_one_owner_of_their_key()
    {
        var a = await Join(Sqlite());
        var b = await Join(Sqlite(), a);
        var keys = Enumerable.Range(0, 40).Select(number => $"u{number}@example.com").ToList();
        await Task.WhenAll(keys.SelectMany((key, number) => Enumerable.Range(0, 10).Select(async add =>
        {
            var node = add % 2 == 0 ? a : b;
            var reading = await node.Counters.AddAsync(Key(key), Month, One, MailId.Of($"{number}.{add}"), Id(number, add), Cancel);
            Assert.Equal(CounterState.Known, reading.State);
        })));
        foreach (var key in keys)
        {
            Assert.Equal(
                new CounterReading(CounterState.Known, new CounterAmounts(10, 10, 100, 100)),
                await a.Counters.ReadAsync(Key(key), Month, Cancel));
            Assert.Equal(10, (await b.Counters.ReadAsync(Key(key), Month, Cancel)).Total.Count);
            Assert.Equal(10, await Count(key));
        }

        var (ofA, ofB) = (a.OwnedKeys, b.OwnedKeys);
        Assert.NotEmpty(ofA);
        Assert.NotEmpty(ofB);
        Assert.Equal(40, ofA.Count + ofB.Count);
        Assert.Empty(ofA.Intersect(ofB));
    }

    [Fact]
    public async Task Threshold_is_exact_however_many_ask_on_both_nodes()
    {
        var a = await Join(Sqlite());
        var b = await Join(Sqlite(), a);
        for (var run = 0; run < 4; run++)
        {
            var key = Key($"quota{run}@example.com");
            var admitted = await Task.WhenAll(Enumerable.Range(0, 200).Select(async mail =>
            {
                var node = mail % 2 == 0 ? a : b;
                var instance = $"{run}.{mail}";
                var admission = await node.Counters.ReserveAsync(key, Month, CounterMetric.Count, 100, One, MailId.Of(instance), Cancel);
                Assert.Equal(CounterState.Known, admission.State);
                if (admission.Admitted)
                {
                    // Its Accounting may be asked on the other node.
                    await (mail % 3 == 0 ? a : b).Counters.AddAsync(key, Month, One, MailId.Of(instance), Id(run, mail), Cancel);
                }

                return admission.Admitted;
            }));
            Assert.Equal(100, admitted.Count(one => one));
            Assert.Equal(100, await Count(key.Key));
        }
    }

    [Fact]
    public async Task Node_that_leaves_commits_what_it_has_and_hands_its_keys_over()
    {
        var a = await Join(_scripted);
        var b = await Join(_scripted, a);
        var keys = Enumerable.Range(0, 30).Select(number => $"u{number}@example.com").ToList();
        await Add(a, keys, round: 0);
        Assert.NotEmpty(b.OwnedKeys);

        // Commits hang, so that both nodes have adds in flight when the one begins to leave.
        var gate = new TaskCompletionSource();
        _scripted.Commits.Always = _ => Script.WaitFor(gate.Task);
        var fromA = Add(a, keys, round: 1);
        var fromB = Add(b, keys, round: 2);
        await Eventually.Holds(
            "a commit of each node to be under way",
            () => _scripted.Attempted.TakeLast(2).Select(commit => commit.Node).Distinct().Count() == 2);
        var leaving = b.Leave();
        var later = Add(a, keys, round: 3);
        gate.SetResult();
        await leaving;
        await Task.WhenAll(fromA, later);
        await Eventually.Holds("the other to be gone", () => a.Cluster.State.Members.Count == 1);
        await Add(a, keys, round: 4);

        // Requests on the node that left were drained before: here it was cut off, so Postfix sends again what it had no answer to.
        await fromB.ContinueWith(static _ => { }, TaskScheduler.Default);
        await Add(a, keys, round: 2);
        foreach (var key in keys)
        {
            Assert.Equal(5, _scripted[Table, key, Month.Time].Count);
            Assert.Equal(5, (await a.Counters.ReadAsync(Key(key), Month, Cancel)).Total.Count);
        }
    }

    [SoakTest("waits until a cluster has found a killed node unreachable, 2 s")]
    [Fact]
    public async Task Node_that_is_killed_leaves_its_keys_and_its_request_ids_to_the_other()
    {
        // A node that was killed is only taken out once nobody hears from it. Who takes it out is this test, at once, and not the resolver
        // of split brains after its 20 s.
        const string Quick = """
            akka.cluster {
              downing-provider-class = ""
              failure-detector { heartbeat-interval = 100 ms, acceptable-heartbeat-pause = 2 s }
            }
            """;
        var a = await Join(Sqlite(), akka: Quick);
        var b = await Join(Sqlite(), a, Quick);
        var keys = Enumerable.Range(0, 30).Select(number => $"u{number}@example.com").ToList();
        await Add(b, keys, round: 0);
        var orphans = b.OwnedKeys;
        Assert.NotEmpty(orphans);
        Assert.NotEmpty(a.OwnedKeys);

        var killed = b.Cluster.SelfAddress;
        await b.Crash();
        a.Cluster.Down(killed);
        await Eventually.Holds("the killed node to be gone", () => a.Cluster.State.Members.Count == 1);

        // What was sent to it before the news of its end came here is lost; whoever asks again finds the new owners.
        var orphan = keys.First(key => orphans.Contains(Key(key)));
        await Eventually.Holds("a new owner of its keys to answer", async () =>
        {
            using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            return (await a.Counters.ReadAsync(Key(orphan), Month, timeout.Token)).State == CounterState.Known;
        });

        // Its clients had no answer, say, and ask again; the ids of the keys it owned are in its commits alone. What a quota asks first
        // finds them, too.
        Assert.True(await a.Counters.IsCountedAsync(Key(orphan), [Id(0, keys.IndexOf(orphan))], Cancel));
        Assert.False(await a.Counters.IsCountedAsync(Key(orphan), [Id(1, keys.IndexOf(orphan))], Cancel));
        await Add(a, keys, round: 0);
        foreach (var key in keys)
        {
            Assert.Equal(1, await Count(key));
        }

        await Add(a, keys, round: 1);
        foreach (var key in keys)
        {
            Assert.Equal(2, await Count(key));
            Assert.Equal(2, (await a.Counters.ReadAsync(Key(key), Month, Cancel)).Total.Count);
        }
    }

    [Fact]
    public async Task Key_that_moves_while_mails_hold_places_lets_in_at_most_as_many_more_as_held_one()
    {
        const int Threshold = 10;
        const int Counted = 4;
        const int Held = 3;
        var a = await Join(Sqlite());
        var b = await Join(Sqlite(), a);
        var keys = Enumerable.Range(0, 20).Select(number => $"u{number}@example.com").ToList();
        for (var round = 0; round < Counted; round++)
        {
            await Add(a, keys, round);
        }

        await Task.WhenAll(keys.SelectMany(key => Enumerable.Range(0, Held).Select(async mail =>
            Assert.True((await Ask(b, key, $"held.{key}.{mail}")).Admitted))));
        var moved = b.OwnedKeys;
        Assert.InRange(moved.Count, 1, keys.Count - 1);
        await b.Leave();
        await Eventually.Holds("the other to be gone", () => a.Cluster.State.Members.Count == 1);

        for (var number = 0; number < keys.Count; number++)
        {
            var (key, id) = (keys[number], 0);
            var admitted = 0;
            while ((await Ask(a, key, $"new.{key}.{id}")).Admitted)
            {
                await AddLater(key, $"new.{key}.{id}", number, id++);
                admitted++;
            }

            // Those that held a place were let in before, so they are counted all the same.
            for (var mail = 0; mail < Held; mail++)
            {
                await AddLater(key, $"held.{key}.{mail}", number, id++);
            }

            var total = Counted + Held + admitted;
            Assert.InRange(total, Threshold, moved.Contains(Key(key)) ? Threshold + Held : Threshold);
            Assert.Equal(total, await Count(key));
            Assert.False((await Ask(a, key, $"later.{key}")).Admitted);
        }

        async Task<Admission> Ask(CounterNodeUnderTest node, string key, string instance)
        {
            var admission = await node.Counters.ReserveAsync(
                Key(key), Month, CounterMetric.Count, Threshold, One, MailId.Of(instance), Cancel);
            Assert.Equal(CounterState.Known, admission.State);
            return admission;
        }

        async Task AddLater(string key, string instance, int number, int id) =>
            Assert.Equal(
                CounterState.Known,
                (await a.Counters.AddAsync(Key(key), Month, One, MailId.Of(instance), Id(100 + number, id), Cancel)).State);
    }

    private static CounterKey Key(string key) => new("db", Table, key);

    private static UInt128 Id(int round, int number) => new((ulong)round + 1, (ulong)number << 32);

    private static Task Add(CounterNodeUnderTest node, IEnumerable<string> keys, int round) =>
        Task.WhenAll(keys.Select(async (key, number) =>
        {
            var reading = await node.Counters.AddAsync(Key(key), Month, One, MailId.Of($"{round}.{number}"), Id(round, number), Cancel);
            Assert.Equal(CounterState.Known, reading.State);
        }));

    private async Task<CounterNodeUnderTest> Join(ICounterStore store, CounterNodeUnderTest? seed = null, string akka = "")
    {
        var node = await CounterNodeUnderTest.StartInCluster(store, seed, akka: akka);
        _nodes.Add(node);
        return node;
    }

    private ICounterStore Sqlite()
    {
        Assert.True(SqlDsn.TryParse($"Data Source={_folder["counters.db"]}", out var dsn, out var error), error);
        var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn!, Provider = SqlProvider.SQLite });
        _databases.Add(database);
        var store = database.CreateCounterStore();
        _stores.Add(store);
        return store;
    }

    private async Task<long> Count(string key)
    {
        var rows = await _stores[0].LoadAsync(Table, [new CounterLoad(key, Month.Range)], Cancel);
        return rows.Count == 0 ? 0 : Assert.Single(rows).Total.Count;
    }
}
