using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>
/// Goes through the owners of this node and has each look whether it is idle, so that all are looked at once in <see cref="CounterSettings.PassivateAfter"/>.
/// A timer for each owner would cost more memory than what it counts. Where there are more owners than <see cref="CounterSettings.OwnersAtEase"/> it goes round
/// faster in the same measure: strangers who send from ever new addresses must not fill the memory with them.
/// </summary>
internal sealed class IdleOwnersActor : UntypedActor, IWithTimers
{
    // Steps small enough that a million owners are not told all at once.
    private const int StepsInARound = 60;

    private readonly LocalOwners _owners;
    private readonly CounterSettings _settings;
    private IEnumerator<LocalOwner>? _round;

    private IdleOwnersActor(LocalOwners owners, CounterSettings settings)
    {
        _owners = owners;
        _settings = settings;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(LocalOwners owners, CounterSettings settings) =>
        Akka.Actor.Props.CreateBy(new Producer<IdleOwnersActor>(() => new IdleOwnersActor(owners, settings)));

    protected override void PreStart() => Timers.StartPeriodicTimer(Step.Instance, Step.Instance, _settings.PassivateAfter / StepsInARound);

    protected override void PostStop() => _round?.Dispose();

    protected override void OnReceive(object message)
    {
        if (message is not Step)
        {
            Unhandled(message);
            return;
        }

        for (var left = OwnersInAStep(); left > 0 && NextOwner() is { } owner; left--)
        {
            owner.TryTell(CounterProtocol.LookWhetherIdle.Instance, ActorRefs.NoSender);
        }
    }

    private long OwnersInAStep()
    {
        long count = _owners.Count;
        return (count * Math.Max(count, _settings.OwnersAtEase) / _settings.OwnersAtEase / StepsInARound) + 1;
    }

    /// <summary>Null at the end of a round: the next begins with the next step, so that none is looked at twice in one.</summary>
    private LocalOwner? NextOwner()
    {
        _round ??= _owners.All.GetEnumerator();
        if (_round.MoveNext())
        {
            return _round.Current;
        }

        _round.Dispose();
        _round = null;
        return null;
    }

    private sealed class Step : INoSerializationVerificationNeeded
    {
        public static readonly Step Instance = new();
    }
}
