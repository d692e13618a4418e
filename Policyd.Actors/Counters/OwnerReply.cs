using System.Threading.Tasks.Sources;
using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>
/// Waits for the one answer of an owner on this node: the sender that the owner replies to, and what its asker awaits. An Ask would
/// make a promise actor with a name of its own, a timer and two tasks, four times a mail.
/// </summary>
internal sealed class OwnerReply(ActorPath path, IActorRefProvider provider) : MinimalActorRef, IValueTaskSource<ICounterMessage?>
{
    // Asynchronously, or the rest of the chain would run inside the owner's turn.
    private ManualResetValueTaskSourceCore<ICounterMessage?> _source = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _givingUp;
    private int _answered;

    public override ActorPath Path { get; } = path;

    public override IActorRefProvider Provider { get; } = provider;

    /// <summary>The answer; null when none came before the token was cancelled. To be asked for once, and awaited once.</summary>
    public ValueTask<ICounterMessage?> Until(CancellationToken ct)
    {
        _givingUp = ct.UnsafeRegister(static self => ((OwnerReply)self!).Answer(null), this);
        return new ValueTask<ICounterMessage?>(this, _source.Version);
    }

    ICounterMessage? IValueTaskSource<ICounterMessage?>.GetResult(short token)
    {
        _givingUp.Unregister();
        return _source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<ICounterMessage?>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ICounterMessage?>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
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
            _source.SetResult(answer);
        }
    }
}
