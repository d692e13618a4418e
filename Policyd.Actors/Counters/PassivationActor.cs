using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>
/// Passivation of idle owners. One sweep over this node's owners takes <see cref="CounterSettings.PassivateAfter"/>: each owner is told to
/// check whether it is idle. A timer in each owner would cost more memory than the counts that it holds. With more owners than
/// <see cref="CounterSettings.OwnersAtEase"/> the sweep is faster in proportion: strangers who send from new addresses all the time must
/// not fill the memory with owners. Before each step the databases are asked whether they answer: while one is away, its owners keep the
/// sums that nobody could read again.
/// </summary>
internal sealed class PassivationActor : UntypedActor, IWithTimers
{
    // Steps small enough that a million owners are not told all at once.
    private const int StepsInASweep = 60;

    private static readonly TimeSpan s_answersWithin = TimeSpan.FromSeconds(2);

    private readonly CounterNode _node;
    private IEnumerator<OwnerEntry>? _sweep;
    private bool _asking;

    // How many owners are to be told, in sixtieths: of fewer than sixty, not every step takes one.
    private long _due;

    private PassivationActor(CounterNode node) => _node = node;

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(CounterNode node) =>
        Akka.Actor.Props.CreateBy(new Producer<PassivationActor>(() => new PassivationActor(node)));

    protected override void PreStart() =>
        Timers.StartPeriodicTimer(Step.Instance, Step.Instance, _node.Settings.PassivateAfter / StepsInASweep);

    protected override void PostStop() => _sweep?.Dispose();

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Step:
                _due += DueInAStep();
                if (!_asking && _due >= StepsInASweep)
                {
                    _asking = true;

                    // A question that fails in any way says no more than one without an answer; the next step must come all the same.
                    AskAsync(_node.Connections).PipeTo(Self, failure: static _ => new Answering([]));
                }

                break;
            case Answering answering:
                _asking = false;
                Tell(answering.Connections);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private static async Task<Answering> AskAsync(IEnumerable<CounterConnection> connections)
    {
        var asked = connections.Select(static one => (one.Store, Answer: one.Store.AnswersAsync(s_answersWithin))).ToList();
        await Task.WhenAll(asked.Select(static one => one.Answer)).ConfigureAwait(false);
        return new Answering([.. asked.Where(static one => one.Answer.Result).Select(static one => one.Store.Connection)]);
    }

    private void Tell(HashSet<string> answering)
    {
        for (; _due >= StepsInASweep && NextOwner() is { } owner; _due -= StepsInASweep)
        {
            owner.TryTell(
                answering.Contains(owner.Key.Connection)
                    ? CounterProtocol.LookWhetherIdle.Instance
                    : CounterProtocol.LookWhetherIdle.WhileAway);
        }

        // What a sweep has left over is not saved up.
        _due = Math.Min(_due, Math.Max(DueInAStep(), StepsInASweep));
    }

    private long DueInAStep()
    {
        long count = _node.Owners.Count;
        return count * Math.Max(count, _node.Settings.OwnersAtEase) / _node.Settings.OwnersAtEase;
    }

    /// <summary>
    /// Null at the end of a sweep. The next sweep begins with the next step, so that one step never checks an owner twice.
    /// </summary>
    private OwnerEntry? NextOwner()
    {
        _sweep ??= _node.Owners.All.GetEnumerator();
        if (_sweep.MoveNext())
        {
            return _sweep.Current;
        }

        _sweep.Dispose();
        _sweep = null;
        return null;
    }

    private sealed class Step : INoSerializationVerificationNeeded
    {
        public static readonly Step Instance = new();
    }

    /// <summary>The connections whose databases have answered.</summary>
    private sealed record Answering(HashSet<string> Connections) : INoSerializationVerificationNeeded;
}
