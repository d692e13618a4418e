using System.Threading.Tasks.Sources;
using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Waits for the one answer of an owner on this node: the sender that the owner replies to, and what its asker awaits. An Ask would
/// make a promise actor with a name of its own, a timer and two tasks, four times a mail.
/// </summary>
/// <typeparam name="T">What the asker is told.</typeparam>
internal abstract class OwnerReply<T>(ActorPath path, IActorRefProvider provider) : MinimalActorRef, IValueTaskSource<T>
{
    // Asynchronously, or the rest of the chain would run inside the owner's turn.
    private ManualResetValueTaskSourceCore<T> _source = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _givingUp;
    private int _answered;

    public override ActorPath Path { get; } = path;

    public override IActorRefProvider Provider { get; } = provider;

    /// <summary>What an answer tells the asker; null is an answer that did not come in time.</summary>
    public abstract T Read(ICounterMessage? answer);

    /// <summary>
    /// The answer, or what is told without one when none came before the token was cancelled. To be asked for once, and awaited once.
    /// </summary>
    public ValueTask<T> Until(CancellationToken ct)
    {
        _givingUp = ct.UnsafeRegister(static self => ((OwnerReply<T>)self!).Answer(null), this);
        return new ValueTask<T>(this, _source.Version);
    }

    T IValueTaskSource<T>.GetResult(short token)
    {
        _givingUp.Unregister();
        return _source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is ICounterMessage answer)
        {
            Answer(answer);
        }
    }

    private void Answer(ICounterMessage? answer)
    {
        if (Interlocked.Exchange(ref _answered, 1) == 0)
        {
            _source.SetResult(Read(answer));
        }
    }
}

/// <summary>For the sums of a window.</summary>
/// <param name="path">Where answers go.</param>
/// <param name="provider">The system's.</param>
/// <param name="otherwise">What the counter is without an answer.</param>
internal sealed class ReadingReply(ActorPath path, IActorRefProvider provider, CounterState otherwise)
    : OwnerReply<CounterReading>(path, provider)
{
    public override CounterReading Read(ICounterMessage? answer) =>
        (answer as CounterProtocol.Reading)?.Value ?? new CounterReading(otherwise, default);
}

/// <summary>For a check that reserves.</summary>
internal sealed class AdmissionReply(ActorPath path, IActorRefProvider provider) : OwnerReply<Admission>(path, provider)
{
    public override Admission Read(ICounterMessage? answer) =>
        (answer as CounterProtocol.Admitted)?.Value ?? new Admission(CounterState.Unavailable, Admitted: true, default);
}

/// <summary>For whoever reads the answer himself.</summary>
internal sealed class MessageReply(ActorPath path, IActorRefProvider provider) : OwnerReply<ICounterMessage?>(path, provider)
{
    public override ICounterMessage? Read(ICounterMessage? answer) => answer;
}
