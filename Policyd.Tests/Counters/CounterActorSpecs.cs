using Akka.Actor;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Counters;
using Policyd.Counting.Owners;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterProtocol;

namespace Policyd.Tests.Counters;

/// <summary>How the owner of a key ends, seen from its partition.</summary>
public sealed class CounterActorSpecs : IAsyncLifetime
{
    private static readonly CounterKey Key = new("db", "acct_sender", "a@example.com");
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ActorSystem _system = ActorSystem.Create(
        "owner", CounterMailbox.Naming + "akka { loglevel = OFF, stdout-loglevel = OFF }");
    private readonly ScriptedCounterStore _store = new();
    private readonly Recorder _partition;

    public CounterActorSpecs() => _partition = new Recorder(_system);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task Reservation_that_comes_when_the_owner_is_about_to_end_is_left_to_its_next_life()
    {
        var owner = Owner();
        owner.TellAnyway(new Release(Key, MailId.Of("none"), null));
        owner.TellAnyway(LookWhetherIdle.Instance);
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _partition.All<FellQuiet>().Count == 1);
        var reserve = new ReserveOperation(Key, Month, CounterMetric.Count, 1, One, MailId.Of("m"));
        owner.TellAnyway(reserve);
        await Eventually.Holds("the partition to have it back", () => _partition.All<HandedBack>().Any(one => one.Operation == reserve));
        Assert.False(reserve.IsAnswered);

        // An add is safe: the end waits for its commit.
        var add = new AddOperation(Key, Month, One, MailId.Of("n"), 1);
        owner.TellAnyway(add);
        owner.TellAnyway(Drain.Instance);
        await Eventually.Holds("the add to be answered", () => add.Answer.State == CounterState.Known);
        await Eventually.Holds("the end", () => _partition.All<OwnerEnded>().Count == 1);
        Assert.Equal(1, _store[Key.Table, Key.Key, Month.Time].Count);
    }

    [Fact]
    public async Task Drain_waits_for_what_is_in_flight_and_for_what_waits_behind_a_load()
    {
        var (load, commit) = (new TaskCompletionSource(), new TaskCompletionSource());
        _store.Loads.Next(Script.WaitFor(load.Task));
        _store.Commits.Next(Script.WaitFor(commit.Task));
        var owner = Owner();
        var (read, add) = (new ReadOperation(Key, Month), new AddOperation(Key, Month, One, MailId.Of("m"), 1));
        owner.TellAnyway(read);
        owner.TellAnyway(add);
        owner.TellAnyway(Drain.Instance);
        await Eventually.Holds("the load to begin", () => _store.Loads.Calls == 1);
        load.SetResult();
        await Eventually.Holds("the commit to begin", () => _store.Attempted.Count == 1);
        Assert.Empty(_partition.All<OwnerEnded>());
        commit.SetResult();
        await Eventually.Holds("the end", () => _partition.All<OwnerEnded>().Count == 1);
        Assert.Equal((0, 1), (read.Answer.Total.Count, add.Answer.Total.Count));
        Assert.True(read.IsAnswered && add.IsAnswered);
    }

    [Fact]
    public async Task Owner_that_was_asked_stays_until_it_is_looked_at_twice()
    {
        var owner = Owner();
        await Answered(owner, new ReadOperation(Key, Month));
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Answered(owner, new ReadOperation(Key, Month));
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Answered(owner, new InspectOperation(Key, Month));
        Assert.Empty(_partition.All<FellQuiet>());
        owner.TellAnyway(LookWhetherIdle.Instance);
        owner.TellAnyway(LookWhetherIdle.Instance);
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _partition.All<FellQuiet>().Count > 0);
        owner.TellAnyway(Drain.Instance);
        await Eventually.Holds("the end", () => _partition.All<OwnerEnded>().Count == 1);
        Assert.Single(_partition.All<FellQuiet>());
    }

    [Fact]
    public async Task Owner_that_has_counted_ends_when_its_writer_says_that_all_is_committed()
    {
        var owner = Owner();
        await Answered(owner, new AddOperation(Key, Month, One, MailId.Of("m"), 1));
        owner.TellAnyway(LookWhetherIdle.Instance);
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _partition.All<FellQuiet>().Count == 1);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Owner_that_only_a_release_or_a_question_has_called_up_ends_as_well(bool question)
    {
        var owner = Owner();
        owner.TellAnyway(question ? new FindCountedOperation(Key, [1]) : new Release(Key, MailId.Of("m"), null));
        owner.TellAnyway(LookWhetherIdle.Instance);
        owner.TellAnyway(LookWhetherIdle.Instance);
        await Eventually.Holds("the owner to be idle", () => _partition.All<FellQuiet>().Count == 1);
        owner.TellAnyway(Drain.Instance);
        await Eventually.Holds("the end", () => _partition.All<OwnerEnded>().Count == 1);
        Assert.False(owner.IsOpen);
    }

    private static async Task Answered(OwnerEntry owner, CounterOperation operation)
    {
        owner.TellAnyway(operation);
        await Eventually.Holds("the answer", () => operation.IsAnswered);
    }

    private OwnerEntry Owner()
    {
        var prepared = new PreparedStore("db", _store, NullLogger.Instance);
        var settings = new CounterWriterSettings("db", TimeProvider.System);
        var connection = new CounterConnection(
            prepared,
            _system.ActorOf(CounterWriterActor.Props(prepared, settings, NullLogger.Instance)),
            _system.ActorOf(CounterLoaderActor.Props(prepared, settings, NullLogger.Instance)));
        var node = new CounterNode(
            new Dictionary<string, CounterConnection> { ["db"] = connection },
            new CounterSettings(),
            TimeProvider.System,
            isClustered: false);
        var entry = new OwnerEntry(Key, new OwnerHome(_partition.Self, node));
        new OwnerFactory(_system, _partition.Self.Path).Start(entry);
        return entry;
    }
}
