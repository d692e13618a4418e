using System.Collections.Concurrent;
using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Counting.Clustering;
using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// A writer whose node was fenced by the others of its cluster: it writes nothing any more, keeps what it holds in its spool, and what is
/// there is counted once by the next life.
/// </summary>
public sealed class FencedWriterSpecs : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");

    private readonly ActorSystem _system = ActorSystem.Create("fenced", "akka { loglevel = WARNING, stdout-loglevel = OFF, loggers = [] }");
    private readonly TemporaryFolder _folder = new();
    private readonly LogCapture _lines = new();
    private readonly ScriptedCounterStore _database = new();
    private readonly RowOwnerUnderTest _owner = new();
    private readonly ConcurrentQueue<string> _fenced = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        await _database.DisposeAsync();
        _lines.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task All_that_waits_and_all_that_comes_is_kept_and_nothing_is_tried_again(bool spools)
    {
        var writer = Writer("node#1", spools);
        await Is(CounterState.Known, Add(writer, 1));
        await _database.FenceMemberAsync("node#1", Cancel);
        AddOperation[] adds = [Add(writer, 2), Add(writer, 3)];
        await Is(CounterState.Deferred, adds);
        var attempted = _database.Attempted.Count;
        var later = Add(writer, 4);
        await Is(CounterState.Deferred, later);
        Assert.All([.. adds, later], static add => Assert.Equal(CounterReason.Quorum, add.Answer.Reason));
        Assert.Equal(attempted, _database.Attempted.Count);
        Assert.Single(_fenced);

        // Owners that end, since their keys go elsewhere, are not held up; others are told that nothing is committed.
        writer.Tell(new SettledQuestion(_owner, Table, 1, IsPatient: true));
        writer.Tell(new SettledQuestion(_owner, Table, 2, IsPatient: false));
        await Eventually.Holds("the owner to be told", () => _owner.Settled.Count == 2);
        Assert.Equal([(1, true), (2, false)], _owner.Settled);
        var flushed = await writer.Ask<CounterWriterProtocol.Flushed>(new CounterWriterProtocol.Flush(), Eventually.Timeout, Cancel);
        Assert.False(flushed.Written);
        Assert.Equal(1, Counted);
    }

    [Fact]
    public async Task What_was_kept_is_counted_once_by_the_next_life()
    {
        var writer = Writer("node#1");
        await Is(CounterState.Known, Add(writer, 1));
        await _database.FenceMemberAsync("node#1", Cancel);
        await Is(CounterState.Deferred, Add(writer, 2), Add(writer, 3), Add(writer, null));
        await Ended(writer, 4);
        await Replay("node#3");
        Assert.Equal(4, Counted);
    }

    [Fact]
    public async Task Commit_that_got_in_before_the_fence_is_not_counted_again()
    {
        var writer = Writer("node#1");
        _database.Commits.Next(Script.DoButLoseTheAnswer(), Script.Fail(CounterStoreFailure.Fenced));
        await Is(CounterState.Deferred, Add(writer, null));
        await Is(CounterState.Deferred, Add(writer, null));
        await Ended(writer, 2);
    }

    [Fact]
    public async Task Mail_whose_chain_can_run_again_is_stale_and_not_kept()
    {
        var writer = Writer("node#1");
        var gate = new TaskCompletionSource();
        _database.Commits.Next(Script.WaitFor(gate.Task));
        var kept = Add(writer, 1);
        await Eventually.Holds("the commit to begin", () => _database.Attempted.Count == 1);
        var (gone, remote) = (Add(writer, 2, add => add.WasAdmitted = true), Add(writer, 3, add => add.WasAdmitted = true));
        gone.Close();
        await writer.Ask<ActorIdentity>(new Identify(null), Eventually.Timeout, Cancel);
        await _database.FenceMemberAsync("node#1", Cancel);
        gate.SetResult();
        await Is(CounterState.Deferred, kept);
        await Is(CounterState.Stale, remote, Add(writer, 4, add => add.WasAdmitted = true));
        await Eventually.Holds(
            "their amounts to be taken back", () => _owner.Told.Count(static report => report.Kind == RowReportKind.Retracted) == 2);
        await Ended(writer, 2);   // who gave up went on with his mail
    }

    private long Counted => _database[Table, "a", Month.Time].Count;

    private ConnectionSpool Spool() => new(
        new SpoolPlace(new SpoolFolder(_folder.Path, 1_000_000), IsOfThisService: true),
        "db",
        "database",
        TimeProvider.System,
        _lines.CreateLogger("spool"));

    private IActorRef Writer(string member, bool spools = true)
    {
        var settings = new CounterWriterSettings("db", TimeProvider.System) { FirstBackOff = TimeSpan.FromMilliseconds(2) };
        var store = new FencedCounterStore(_database);
        store.BecomeMember(member, static _ => { });
        var prepared = new PreparedStore("db", store, _lines.CreateLogger("store"));
        return _system.ActorOf(CounterWriterActor.Props(
            prepared, settings, _lines.CreateLogger("writer"), spools ? Spool() : null, _fenced.Enqueue));
    }

    /// <summary>The writer leaves its spool a moment after its end, and the next life finds it then.</summary>
    private async Task Ended(IActorRef writer, long counted)
    {
        await writer.GracefulStop(Eventually.Timeout);
        await Eventually.Settles(
            () => $"{counted} mails to be counted, and not {Counted}",
            async () =>
            {
                await Replay("node#2");
                return Counted == counted;
            });
    }

    private async Task Replay(string member)
    {
        var store = new FencedCounterStore(_database);
        store.BecomeMember(member, static _ => { });
        await new PreparedStore("db", store, _lines.CreateLogger("store"), Spool()).PrepareAsync([Table], Cancel);
    }

    private AddOperation Add(IActorRef writer, int? id, Action<AddOperation>? change = null)
    {
        var add = new AddOperation(
            new CounterKey("db", Table, "a"), Month, new CounterAmounts(1, 1, 10, 10), MailId.Of($"m{id}"),
            id is { } number ? (UInt128)number << 32 : null)
        { Owner = _owner };
        change?.Invoke(add);
        writer.Tell(add);
        return add;
    }

    private static Task Is(CounterState state, params AddOperation[] adds) => Eventually.Settles(
        () => $"answers {state}: {string.Join(", ", adds.Select(static add => add.Answer))}",
        () => Task.FromResult(adds.All(add => add.IsAnswered && add.Answer.State == state)));
}
