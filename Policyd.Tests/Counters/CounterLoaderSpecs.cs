using Akka.Actor;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Counters;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Tests.Counters;

/// <summary>The first touch of keys, with a database that fails or hangs.</summary>
public sealed class CounterLoaderSpecs : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");

    private readonly ActorSystem _system = ActorSystem.Create("loader", "akka { loglevel = WARNING, stdout-loglevel = OFF, loggers = [] }");
    private readonly ScriptedCounterStore _store = new();
    private readonly SetClock _clock = new();
    private readonly Recorder _owner;
    private readonly LogCapture _lines = new();

    public CounterLoaderSpecs() => _owner = new Recorder(_system);

    public static TheoryData<CounterStoreFailure> Failures =>
        [CounterStoreFailure.Unavailable, CounterStoreFailure.Refused, CounterStoreFailure.Schema];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _lines.Dispose();
    }

    [Fact]
    public async Task Keys_that_come_while_a_query_runs_share_the_next_one()
    {
        var gate = new TaskCompletionSource();
        _store.Loads.Next(Script.WaitFor(gate.Task));
        _store[Table, "k7", Month.Time] = new CounterAmounts(7, 7, 70, 70);
        var loader = Loader(settings => settings with { LoadBatch = 60 });
        Load(loader, "first");
        await Eventually.Holds("the first query to begin", () => _store.Loads.Calls == 1);
        for (var key = 0; key < 100; key++)
        {
            Load(loader, $"k{key}");
        }

        await Asked(loader);
        gate.SetResult();
        await Eventually.Holds("all keys to be loaded", () => _owner.All<Loaded>().Count == 101);
        Assert.Equal([1, 60, 40], _store.Loaded.Select(loads => loads.Count));
        Assert.Equal(7, Assert.Single(_owner.All<Loaded>().SelectMany(loaded => loaded.Rows)).Total.Count);
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Load_that_fails_is_told_and_one_after_the_back_off_succeeds(CounterStoreFailure failure)
    {
        _store.Loads.Always = _ => Script.Fail(failure);
        var loader = Loader();
        Load(loader, "a");
        await Eventually.Holds("the failure", () => _owner.All<LoadFailed>().Count == 1);

        // Before the back-off is over nobody waits for a database that is known to be away.
        Load(loader, "a");
        await Eventually.Holds("the refusal", () => _owner.All<LoadFailed>().Count == 2);
        Assert.Equal(failure == CounterStoreFailure.Unavailable ? 2 : 1, _store.Loads.Calls);
        _store.Loads.Always = null;
        _clock.Now += TimeSpan.FromSeconds(1);
        Load(loader, "a");
        await Eventually.Holds("the rows", () => _owner.All<Loaded>().Count == 1);
        Load(loader, "b");
        await Eventually.Holds("the rows of another key", () => _owner.All<Loaded>().Count == 2);
    }

    [Fact]
    public async Task Back_off_ends_in_time_though_the_clock_is_put_back()
    {
        _store.Loads.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        var loader = Loader();
        Load(loader, "a");
        await Eventually.Holds("the failure", () => _owner.All<LoadFailed>().Count == 1);
        _store.Loads.Always = null;
        _clock.Now += TimeSpan.FromSeconds(1);
        _clock.Put(_clock.Now.AddYears(-1));
        Load(loader, "a");
        await Eventually.Holds("the rows", () => _owner.All<Loaded>().Count == 1);
    }

    [Fact]
    public async Task Connection_that_died_while_nobody_used_it_is_no_database_that_is_away()
    {
        _store.Loads.Next(Script.Fail(CounterStoreFailure.Unavailable));
        Load(Loader(), "a");
        await Eventually.Holds("the rows", () => _owner.All<Loaded>().Count == 1);
        Assert.Empty(_owner.All<LoadFailed>());
    }

    [Theory, InlineData(CounterStoreFailure.Busy), InlineData(CounterStoreFailure.Conflict)]
    public async Task Lock_that_somebody_holds_is_waited_for(CounterStoreFailure failure)
    {
        _store.Prepares.Next(Script.Fail(failure));
        _store.Loads.Next(Script.Fail(failure), Script.Fail(failure), Script.Fail(failure));
        Load(Loader(settings => settings with { FirstBackOff = TimeSpan.FromMilliseconds(2) }), "a");
        await Eventually.Holds("the rows", () => _owner.All<Loaded>().Count == 1);
        Assert.Empty(_owner.All<LoadFailed>());
    }

    [Fact]
    public async Task Table_that_takes_long_to_prepare_is_prepared_once_also_when_nobody_waits_for_it_any_more()
    {
        var gate = new TaskCompletionSource();
        _store.Prepares.Next(Script.WaitFor(gate.Task));
        var loader = Loader(settings => settings with { AwayAfter = TimeSpan.FromMilliseconds(50) });
        Load(loader, "a");
        await Eventually.Holds("the first to be given up", () => _owner.All<LoadFailed>().Count == 1);
        _clock.Now += TimeSpan.FromMinutes(1);
        Load(loader, "b");
        await Eventually.Holds("the second to be given up", () => _owner.All<LoadFailed>().Count == 2);
        gate.SetResult();
        await Eventually.Holds("a key to be loaded", () =>
        {
            _clock.Now += TimeSpan.FromMinutes(1);
            Load(loader, "c");
            return _owner.All<Loaded>().Count > 0;
        });
        Assert.Equal(1, _store.Prepares.Calls);
    }

    [Fact]
    public async Task All_that_wait_are_told_when_the_database_goes_away()
    {
        var gate = new TaskCompletionSource();
        _store.Loads.Next(async work =>
        {
            await gate.Task;
            _store.Loads.Next(Script.Fail(CounterStoreFailure.Unavailable));
            await Script.Fail(CounterStoreFailure.Unavailable)(work);
        });
        var loader = Loader();
        Load(loader, "a");
        Load(loader, "b");
        Load(loader, "c", "acct_other");
        await Asked(loader);
        gate.SetResult();
        await Eventually.Holds("three failures", () => _owner.All<LoadFailed>().Count == 3);
        Assert.Equal(2, _store.Loads.Calls);
    }

    [Fact]
    public async Task Table_that_cannot_be_read_hurts_no_other_table()
    {
        _store.Loads.Always = tables => tables == "broken" ? Script.Fail(CounterStoreFailure.Schema) : null;
        var gate = new TaskCompletionSource();
        _store.Loads.Next(Script.WaitFor(gate.Task));
        var loader = Loader();
        Load(loader, "first");
        Load(loader, "x", "broken");
        Load(loader, "a");
        Load(loader, "c", "acct_other");
        await Asked(loader);
        gate.SetResult();
        await Eventually.Holds("the good tables' rows", () => _owner.All<Loaded>().Count == 3);
        await Eventually.Holds("the broken table's failure", () => _owner.All<LoadFailed>().Count == 1);
        Load(loader, "x", "broken");
        Load(loader, "d");
        await Eventually.Holds("another good key", () => _owner.All<Loaded>().Count == 4);
        Assert.Equal(2, _owner.All<LoadFailed>().Count);
    }

    [Fact]
    public async Task Query_that_hangs_is_given_up_and_the_next_keys_are_loaded()
    {
        _store.Loads.Next(Script.WaitFor(new TaskCompletionSource().Task));
        var loader = Loader(settings => settings with { AwayAfter = TimeSpan.FromMilliseconds(50) });
        Load(loader, "hangs");
        await Eventually.Holds("its failure", () => _owner.All<LoadFailed>().Count == 1);
        _clock.Now += TimeSpan.FromSeconds(1);
        Load(loader, "a");
        await Eventually.Holds("the next key", () => _owner.All<Loaded>().Count == 1);
    }

    [Fact]
    public async Task Server_that_stops_gives_its_loads_up_at_once()
    {
        _store.Loads.Next(Script.WaitFor(new TaskCompletionSource().Task));
        var loader = Loader();
        Load(loader, "hangs");
        Load(loader, "behind");
        await Asked(loader);
        loader.Tell(EndLoads.Instance);
        await Eventually.Holds("both to be refused", () => _owner.All<LoadFailed>().Count == 2);
        Load(loader, "later");
        await Eventually.Holds("what comes later to be refused", () => _owner.All<LoadFailed>().Count == 3);
    }

    [Fact]
    public async Task Database_that_is_slow_is_told_with_what_it_was_asked()
    {
        var gate = new TaskCompletionSource();
        _store.Loads.Next(Script.WaitFor(gate.Task));
        Load(Loader(settings => settings with { SlowAfter = TimeSpan.FromMilliseconds(20) }), "a");
        await Eventually.Holds(
            "a line that it is slow", () => Lines("the database is slow: reading counters of acct_sender has taken") == 1);
        gate.SetResult();
        await Eventually.Holds("a line of how long it took", () => Lines("reading counters of acct_sender took") == 1);
        Assert.Empty(_owner.All<LoadFailed>());
    }

    private int Lines(string part) =>
        _lines.Lines.Count(line => line.Level == LogLevel.Warning && line.Message.Contains(part, StringComparison.Ordinal));

    private IActorRef Loader(Func<CounterWriterSettings, CounterWriterSettings>? change = null)
    {
        var settings = new CounterWriterSettings("db", _clock);
        return _system.ActorOf(CounterLoaderActor.Props(
            new PreparedStore("db", _store, NullLogger.Instance), change?.Invoke(settings) ?? settings, _lines.CreateLogger("loader")));
    }

    private void Load(IActorRef loader, string key, string table = Table) =>
        loader.Tell(new Load(new CounterKey("db", table, key), Month), _owner.Self);

    private static Task<ActorIdentity> Asked(IActorRef loader) =>
        loader.Ask<ActorIdentity>(new Identify(null), Eventually.Timeout, TestContext.Current.CancellationToken);
}
