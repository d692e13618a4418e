using Akka.Actor;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Counters;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterProtocol;

namespace Policyd.Tests.Counters;

/// <summary>How the owner of a key ends, seen from its parent.</summary>
public sealed class CounterActorSpecs : IAsyncLifetime
{
    private static readonly CounterKey Key = new("db", "acct_sender", "a@example.com");
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ActorSystem _system = ActorSystem.Create(
        "owner", CounterMailbox.Naming + "akka { loglevel = OFF, stdout-loglevel = OFF }");
    private readonly ScriptedCounterStore _store = new();
    private readonly Recorder _parent;
    private readonly Recorder _asker;

    public CounterActorSpecs() => (_parent, _asker) = (new Recorder(_system), new Recorder(_system));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task Reservation_that_comes_when_the_owner_is_about_to_end_is_left_to_its_next_life()
    {
        var owner = Owner();
        owner.Tell(new Release(Key, "none"));
        owner.Tell(LookWhetherIdle.Instance);
        owner.Tell(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _parent.All<FellQuiet>().Count == 1);
        var reserve = new Reserve(Key, Month, CounterMetric.Count, 1, One, "m");
        owner.Tell(reserve, _asker.Self);
        await Eventually.Holds("the parent to have it back", () => _parent.All<Reserve>().SequenceEqual([reserve]));
        Assert.Empty(_asker.Told);

        // An add is safe: the end waits for its commit.
        owner.Tell(new Add(Key, Month, One, "n", 1), _asker.Self);
        owner.Tell(Drain.Instance);
        await Eventually.Holds("the add to be answered", () => _asker.All<Reading>().Count == 1);
        await Eventually.Holds("the end", () => _parent.All<Ended>().Count == 1);
        Assert.Equal(1, _store[Key.Table, Key.Key, Month.Time].Count);
    }

    [Fact]
    public async Task Drain_waits_for_what_is_in_flight_and_for_what_waits_behind_a_load()
    {
        var (load, commit) = (new TaskCompletionSource(), new TaskCompletionSource());
        _store.Loads.Next(Script.WaitFor(load.Task));
        _store.Commits.Next(Script.WaitFor(commit.Task));
        var owner = Owner();
        owner.Tell(new Read(Key, Month), _asker.Self);
        owner.Tell(new Add(Key, Month, One, "m", 1), _asker.Self);
        owner.Tell(Drain.Instance);
        await Eventually.Holds("the load to begin", () => _store.Loads.Calls == 1);
        load.SetResult();
        await Eventually.Holds("the commit to begin", () => _store.Attempted.Count == 1);
        Assert.Empty(_parent.All<Ended>());
        commit.SetResult();
        await Eventually.Holds("the end", () => _parent.All<Ended>().Count == 1);
        await Eventually.Holds("both answers", () => _asker.All<Reading>().Count == 2);
        Assert.Equal([0, 1], _asker.All<Reading>().Select(one => one.Value.Total.Count));
    }

    [Fact]
    public async Task Owner_that_was_asked_stays_until_it_is_looked_at_twice()
    {
        var owner = Owner();
        owner.Tell(new Read(Key, Month), _asker.Self);
        await Eventually.Holds("the answer", () => _asker.All<Reading>().Count == 1);
        owner.Tell(LookWhetherIdle.Instance);
        owner.Tell(new Read(Key, Month), _asker.Self);
        await Eventually.Holds("the second answer", () => _asker.All<Reading>().Count == 2);
        owner.Tell(LookWhetherIdle.Instance);
        owner.Tell(new Inspect(Key, Month), _asker.Self);
        await Eventually.Holds("the third answer", () => _asker.All<Inspected>().Count == 1);
        Assert.Empty(_parent.All<FellQuiet>());
        owner.Tell(LookWhetherIdle.Instance);
        owner.Tell(LookWhetherIdle.Instance);
        owner.Tell(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _parent.All<FellQuiet>().Count > 0);
        owner.Tell(Drain.Instance);
        await Eventually.Holds("the end", () => _parent.All<Ended>().Count == 1);
        Assert.Single(_parent.All<FellQuiet>());
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Owner_that_only_a_release_or_a_question_has_called_up_ends_as_well(bool question)
    {
        var owner = Owner(out var owners);
        owner.Tell(question ? new FindCounted(Key, [1]) : new Release(Key, "m"), _asker.Self);
        await Eventually.Holds("the owner to be known, so that it is looked at", () => owners.Count == 1);
        foreach (var known in owners.All)
        {
            known.TryTell(LookWhetherIdle.Instance, ActorRefs.NoSender);
            known.TryTell(LookWhetherIdle.Instance, ActorRefs.NoSender);
        }

        await Eventually.Holds("the owner to be idle", () => _parent.All<FellQuiet>().Count == 1);
        owner.Tell(Drain.Instance);
        await Eventually.Holds("the end", () => _parent.All<Ended>().Count == 1);
        Assert.Equal(0, owners.Count);
    }

    private IActorRef Owner() => Owner(out _);

    private IActorRef Owner(out LocalOwners owners)
    {
        var prepared = new PreparedStore("db", _store, NullLogger.Instance);
        var settings = new CounterWriterSettings("db", TimeProvider.System, static () => false);
        var connection = new CounterConnection(
            prepared,
            _system.ActorOf(CounterWriterActor.Props(prepared, settings, NullLogger.Instance)),
            _system.ActorOf(CounterLoaderActor.Props(prepared, settings, NullLogger.Instance)));
        var node = new CounterNode(
            new Dictionary<string, CounterConnection> { ["db"] = connection },
            new CounterSettings(),
            TimeProvider.System,
            static () => false);
        owners = node.Owners;
        var born = new TaskCompletionSource<IActorRef>();
        _system.ActorOf(Props.Create(() => new Parent(CounterActor.Props(node), _parent.Self, born)));
        return born.Task.GetAwaiter().GetResult();
    }

    /// <summary>Stands where the parent does: has the owner as its child, and passes on what it is told.</summary>
    private sealed class Parent : UntypedActor
    {
        private readonly IActorRef _recorder;

        public Parent(Props owner, IActorRef recorder, TaskCompletionSource<IActorRef> born)
        {
            _recorder = recorder;
            born.SetResult(Context.Watch(Context.ActorOf(owner)));
        }

        protected override void OnReceive(object message) => _recorder.Forward(message is Terminated ? new Ended() : message);
    }

    private sealed record Ended;
}
