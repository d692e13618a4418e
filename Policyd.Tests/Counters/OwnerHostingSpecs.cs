using System.Diagnostics;
using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterProtocol;

namespace Policyd.Tests.Counters;

/// <summary>The owners of keys under a parent of ours, as on a server that is alone.</summary>
public sealed class OwnersAloneSpecs : OwnerHostingSpecs
{
    private protected override Task<CounterNodeUnderTest> Start(ICounterStore store, CounterSettings settings) =>
        CounterNodeUnderTest.StartAlone(store, settings: settings);
}

/// <summary>The same owners as entities of Cluster Sharding.</summary>
public sealed class OwnersInAClusterSpecs : OwnerHostingSpecs
{
    private protected override Task<CounterNodeUnderTest> Start(ICounterStore store, CounterSettings settings) =>
        CounterNodeUnderTest.StartInCluster(store, settings: settings);
}

/// <summary>
/// What holds for the owners of keys wherever they live: nothing is lost when one ends, and the next life goes on where the last one was.
/// </summary>
public abstract class OwnerHostingSpecs : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ScriptedCounterStore _store = new();
    private CounterNodeUnderTest _node = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _node.DisposeAsync();
    }

    private protected abstract Task<CounterNodeUnderTest> Start(ICounterStore store, CounterSettings settings);

    [Fact]
    public async Task Places_are_held_counted_and_given_back()
    {
        await Start();
        _store[Table, "a@example.com", Month.Time] = new CounterAmounts(7, 7, 70, 70);
        Assert.True((await Reserve("a@example.com", "1", 9)).Admitted);
        Assert.True((await Reserve("a@example.com", "2", 9)).Admitted);
        Assert.False((await Reserve("a@example.com", "3", 9)).Admitted);
        _node.Counters.Release(Key("a@example.com"), MailId.Of("1"));
        Assert.True((await Reserve("a@example.com", "3", 9)).Admitted);
        Assert.Equal(new CounterReading(CounterState.Known, new CounterAmounts(8, 8, 80, 80)), await Add("a@example.com", "2", 1));
        Assert.Equal(8, (await Read("a@example.com")).Total.Count);
        Assert.False((await Reserve("a@example.com", "4", 9)).Admitted);
        Assert.Equal(8, Stored("a@example.com"));
        Assert.Empty(_node.Undelivered);
    }

    [SoakTest("2,000 owners start and end twice")]
    [Fact]
    public async Task Each_of_many_keys_has_an_owner_of_its_own_that_ends_when_it_is_idle_and_comes_back()
    {
        await Start(passivateAfter: TimeSpan.FromMilliseconds(300));
        var keys = Enumerable.Range(0, 2000).Select(number => $"u{number}@example.com").ToList();
        for (var life = 1; life <= 2; life++)
        {
            var id = life * 10_000;
            await Task.WhenAll(keys.Select((key, number) => Add(key, $"{life}.{number}", id + number)));
            await Eventually.Holds("all owners to end", () => _node.Owners.Count == 0);
            Assert.All(keys, key => Assert.Equal(life, Stored(key)));
        }

        var readings = await Task.WhenAll(keys.Select(Read));
        Assert.All(readings, reading => Assert.Equal(2, reading.Total.Count));
        Assert.Empty(_node.Undelivered);
    }

    [Fact]
    public async Task Idle_owners_keep_what_they_know_while_the_database_is_away()
    {
        var faulty = new FaultyCounterStore(_store);
        _node = await Start(faulty, new CounterSettings { PassivateAfter = TimeSpan.FromMilliseconds(300) });
        _store[Table, "a@example.com", Month.Time] = new CounterAmounts(7, 7, 70, 70);
        Assert.Equal(7, (await Read("a@example.com")).Total.Count);
        faulty.Away = true;
        Assert.Equal(CounterState.Unavailable, (await Read("b@example.com")).State);
        await Eventually.Holds("the owner that knows nothing to end", () => _node.Owners.Find(Key("b@example.com")) is null);
        Assert.Equal(CounterState.Unavailable, (await Read("b@example.com")).State);
        await Eventually.Holds("it to end once more", () => _node.Owners.Find(Key("b@example.com")) is null);
        Assert.False((await Reserve("a@example.com", "1", 7)).Admitted);
        faulty.Away = false;
        await Eventually.Holds("all owners to end", () => _node.Owners.Count == 0);
    }

    [Fact]
    public async Task Keys_may_be_any_text()
    {
        await Start();
        string[] keys =
        [
            string.Empty, " ", ".", "..", "/", "a/b", "a//b", "/a", "a/", "$a", "%", "%2F", "a%2Fb", "a%2fb", "*", "?", "#", "user/system",
            "ü", "u\u0308", "Ü", "\u202Ea", "日本語",
            "\uD83D\uDE00", "\0", "\u0001", "a\nb", "a b", "\"", "\\", new string('x', 60_000), new string('x', 60_001), new string(
                '日', 20_000),
        ];
        for (var number = 0; number < keys.Length; number++)
        {
            for (var mail = 0; mail <= number; mail++)
            {
                Assert.Equal(mail + 1, (await Add(keys[number], $"{number}.{mail}", (number * 100) + mail)).Total.Count);
            }
        }

        for (var number = 0; number < keys.Length; number++)
        {
            Assert.Equal(number + 1, (await Read(keys[number])).Total.Count);
        }

        Assert.Equal(keys.Length, _node.Owners.Count);
        Assert.Empty(_node.Undelivered);
    }

    [Fact]
    public async Task Reservation_that_comes_while_its_owner_ends_holds_in_the_next_life()
    {
        await Start();
        for (var round = 0; round < 200; round++)
        {
            var key = $"u{round % 3}.{round}@example.com";
            await Read(key);
            var last = Look(key, times: 3);
            Assert.True((await Reserve(key, "1", 1)).Admitted);
            Assert.False((await Reserve(key, "2", 1)).Admitted);
            Assert.False(last.TryTell(LookWhetherIdle.Instance));

            // Idle or not: it has a place to keep.
            Look(key, times: 3);
            Assert.False((await Reserve(key, "2", 1)).Admitted);
            Assert.Equal(1, (await Add(key, "1", round)).Total.Count);
        }

        Assert.Empty(_node.Undelivered);
    }

    [Fact]
    public async Task Nothing_that_is_sent_while_owners_end_and_come_back_is_lost()
    {
        const int Senders = 6;
        const int Mails = 300;
        await Start();
        var (working, sent) = (true, 0);
        var ending = Task.Run(
            () =>
            {
                while (Volatile.Read(ref working))
                {
                    foreach (var owner in _node.Owners.All)
                    {
                        owner.TryTell(LookWhetherIdle.Instance);
                    }

                    Thread.Yield();
                }
            },
            Cancel);
        var lives = await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(
            async () =>
            {
                var owners = new HashSet<OwnerEntry>();
                var patience = Stopwatch.StartNew();

                // On a busy machine the owners may only begin to end when the first mails are done.
                for (var mail = 0; mail < Mails || (owners.Count <= 4 && patience.Elapsed < Eventually.Timeout); mail++)
                {
                    var key = $"u{(sender + mail) % 4}@example.com";
                    var instance = $"{sender}.{mail}";
                    Assert.True((await Reserve(key, instance, double.MaxValue)).Admitted);
                    Assert.Equal(CounterState.Known, (await Add(key, instance, (mail * Senders) + sender)).State);
                    Interlocked.Increment(ref sent);
                    owners.UnionWith(_node.Owners.All);
                }

                return owners.Count;
            },
            Cancel)));
        Volatile.Write(ref working, false);
        await ending;
        Assert.Equal(sent, Enumerable.Range(0, 4).Sum(key => Stored($"u{key}@example.com")));
        Assert.True(lives.Max() > 4, "owners ended and came back meanwhile");
        Assert.Empty(_node.Undelivered);
    }

    [Fact]
    public async Task Owner_that_fails_ends_and_the_next_one_knows_what_is_counted()
    {
        await Start();
        await Add("a@example.com", "1", 1);
        await Add("b@example.com", "1", 2);
        Assert.True((await Reserve("b@example.com", "2", 2)).Admitted);

        // What it has in flight is committed all the same, and nobody takes it off the sums twice.
        var commit = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(commit.Task));
        var inFlight = Add("a@example.com", "3", 3);
        await Eventually.Holds("a commit to be under way", () => _store.Attempted.Count == 3);
        var failing = Owner("a@example.com");
        failing.TryTell(new ReserveOperation(Key("a@example.com"), Month, (CounterMetric)99, 100, One, MailId.Of("1")));
        await Eventually.Holds("the owner to be gone", () => !failing.TryTell(LookWhetherIdle.Instance));
        commit.SetResult();
        Assert.Equal(CounterState.Known, (await inFlight).State);
        await Eventually.Holds(
            "the next owner to answer", async () => (await Read("a@example.com", TimeSpan.FromSeconds(1))).State == CounterState.Known);
        Assert.Equal(2, (await Read("a@example.com")).Total.Count);
        Assert.Equal(3, (await Add("a@example.com", "4", 4)).Total.Count);
        Assert.Equal(3, (await Read("a@example.com")).Total.Count);
        Assert.False((await Reserve("b@example.com", "3", 2)).Admitted);

        // It is as good as any: quiet, it ends.
        Look("a@example.com", times: 3);
        await Eventually.Holds("its end", () => _node.Owners.All.All(owner => owner.Key != Key("a@example.com")));
    }

    [Fact]
    public async Task Who_waits_behind_a_load_is_told_when_the_owner_fails()
    {
        await Start();
        var load = new TaskCompletionSource();
        _store.Loads.Next(Script.WaitFor(load.Task));
        var waiting = Read("a@example.com", Eventually.Timeout);
        await Eventually.Holds("a load to be under way", () => _store.Loads.Calls == 1);
        Owner("a@example.com").TryTell(Kill.Instance);
        Assert.Equal(CounterState.Unavailable, (await Eventually.Ends("the answer", waiting)).State);
        load.SetResult();
    }

    [Fact]
    public async Task Clean_stop_writes_what_waits_behind_a_load()
    {
        await Start();
        var load = new TaskCompletionSource();
        _store.Loads.Next(Script.WaitFor(load.Task));
        var reading = Read("a@example.com");
        await Eventually.Holds("a load to be under way", () => _store.Loads.Calls == 1);
        var adds = Enumerable.Range(0, 3).Select(mail => Add("a@example.com", $"{mail}", mail)).ToList();
        adds.AddRange(Enumerable.Range(0, 50).Select(number => Add($"u{number}@example.com", "1", 10 + number)));
        await Eventually.Holds("all of it to be with its owner", () => _node.Owners.Count == 51);
        var leaving = _node.Leave();
        load.SetResult();
        await leaving;
        Assert.Equal(0, (await reading).Total.Count);
        var answers = await Task.WhenAll(adds);
        Assert.All(answers, answer => Assert.Equal(CounterState.Known, answer.State));
        Assert.Equal(3, Stored("a@example.com"));
        Assert.Equal(50, Enumerable.Range(0, 50).Sum(number => Stored($"u{number}@example.com")));
    }

    private static CounterKey Key(string key) => new("db", Table, key);

    private async Task Start(TimeSpan? passivateAfter = null) =>
        _node = await Start(_store, new CounterSettings { PassivateAfter = passivateAfter ?? TimeSpan.FromHours(1) });

    private Task<Admission> Reserve(string key, string instance, double threshold) =>
        _node.Counters.ReserveAsync(Key(key), Month, CounterMetric.Count, threshold, One, MailId.Of(instance), Cancel).AsTask();

    private async Task<CounterReading> Add(string key, string instance, int id, TimeSpan? timeout = null)
    {
        using var ends = new CancellationTokenSource(timeout ?? Eventually.Timeout);
        return await _node.Counters.AddAsync(Key(key), Month, One, MailId.Of(instance), new UInt128((ulong)id + 1, 0), ends.Token);
    }

    private Task<CounterReading> Read(string key) => Read(key, Eventually.Timeout);

    private async Task<CounterReading> Read(string key, TimeSpan timeout)
    {
        using var ends = new CancellationTokenSource(timeout);
        return await _node.Counters.ReadAsync(Key(key), Month, ends.Token);
    }

    // Its first answer may come before it is known here.
    private OwnerEntry Owner(string key)
    {
        Assert.True(SpinWait.SpinUntil(() => _node.Owners.Find(Key(key)) is not null, Eventually.Timeout), $"{key} has no owner");
        return _node.Owners.Find(Key(key))!;
    }

    private OwnerEntry Look(string key, int times)
    {
        var owner = Owner(key);
        for (var look = 0; look < times; look++)
        {
            owner.TryTell(LookWhetherIdle.Instance);
        }

        return owner;
    }

    private long Stored(string key) => _store[Table, key, Month.Time].Count;
}
