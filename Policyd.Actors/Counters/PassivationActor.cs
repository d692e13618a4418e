using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>
/// Passivation of idle owners. One sweep over this node's owners takes <see cref="CounterSettings.PassivateAfter"/>: each owner is told to
/// check whether it is idle. A timer in each owner would cost more memory than the counts that it holds. With more owners than
/// <see cref="CounterSettings.OwnersAtEase"/> the sweep is faster in proportion: strangers who send from new addresses all the time must
/// not fill the memory with owners.
/// </summary>
internal sealed class PassivationActor : UntypedActor, IWithTimers
{
    // Steps small enough that a million owners are not told all at once.
    private const int StepsInASweep = 60;

    private readonly LocalOwners _owners;
    private readonly CounterSettings _settings;
    private IEnumerator<OwnerEntry>? _sweep;

    private PassivationActor(LocalOwners owners, CounterSettings settings)
    {
        _owners = owners;
        _settings = settings;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(LocalOwners owners, CounterSettings settings) =>
        Akka.Actor.Props.CreateBy(new Producer<PassivationActor>(() => new PassivationActor(owners, settings)));

    protected override void PreStart() => Timers.StartPeriodicTimer(Step.Instance, Step.Instance, _settings.PassivateAfter / StepsInASweep);

    protected override void PostStop() => _sweep?.Dispose();

    protected override void OnReceive(object message)
    {
        if (message is not Step)
        {
            Unhandled(message);
            return;
        }

        for (var left = OwnersInAStep(); left > 0 && NextOwner() is { } owner; left--)
        {
            owner.TryTell(CounterProtocol.LookWhetherIdle.Instance);
        }
    }

    private long OwnersInAStep()
    {
        long count = _owners.Count;
        return (count * Math.Max(count, _settings.OwnersAtEase) / _settings.OwnersAtEase / StepsInASweep) + 1;
    }

    /// <summary>
    /// Null at the end of a sweep. The next sweep begins with the next step, so that one step never checks an owner twice.
    /// </summary>
    private OwnerEntry? NextOwner()
    {
        _sweep ??= _owners.All.GetEnumerator();
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
}
