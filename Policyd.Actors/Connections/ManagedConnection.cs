using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// What the connection manager knows of one connection: its deadline, above all. Its stream sets it with a plain write, the manager's one
/// timer reads it: a scheduled and cancelled timer for each request would cost more than the request's own work.
/// </summary>
internal sealed class ManagedConnection(PolicyEndpoint listener, long acceptedAt)
{
    private const long Never = long.MaxValue;
    private long _deadline = Never;
    private Action<ConnectionSignal>? _signal;
    private bool _isDraining;

    /// <summary>Where it came in, as in the configuration.</summary>
    public PolicyEndpoint Listener { get; } = listener;

    /// <summary>Whether it is to end as soon as no request of it is in flight.</summary>
    public bool IsDraining => Volatile.Read(ref _isDraining);

    /// <summary>When the part of a request that is not complete yet began to arrive; 0 when there is none.</summary>
    public long ReceivingSince { get; private set; }

    /// <summary>A tick count (milliseconds) of the connection's start.</summary>
    public long AcceptedAt { get; } = acceptedAt;

    public void Attach(Action<ConnectionSignal> signal) => Volatile.Write(ref _signal, signal);

    /// <summary>The deadline as <see cref="Environment.TickCount64"/>.</summary>
    public void Set(long deadline) => Volatile.Write(ref _deadline, deadline);

    public void Clear() => Volatile.Write(ref _deadline, Never);

    /// <summary>Called by the framing stage for every read that leaves a request incomplete; only the first one counts.</summary>
    public void Receiving(long now, long timeout)
    {
        if (ReceivingSince == 0)
        {
            ReceivingSince = now;
            Set(now + timeout);
        }
    }

    public void Received() => ReceivingSince = 0;

    public bool HasPassed(long now) => now >= Volatile.Read(ref _deadline);

    public void Tick(long now)
    {
        if (HasPassed(now))
        {
            Signal(ConnectionSignal.DeadlinePassed);
        }
    }

    public void Drain()
    {
        Volatile.Write(ref _isDraining, true);
        Signal(ConnectionSignal.Drain);
    }

    public void Signal(ConnectionSignal signal) => Volatile.Read(ref _signal)?.Invoke(signal);
}
