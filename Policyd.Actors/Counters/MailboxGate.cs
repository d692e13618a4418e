using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The way into an owner's mailbox. Closing it waits for the senders that are in it, so that no message is sent to an actor that has
/// stopped.
/// </summary>
internal sealed class MailboxGate(CounterKey key, IActorRef actor)
{
    // The number of senders at the moment. Once closed, int.MinValue is added to it.
    private int _senders;

    public CounterKey Key { get; } = key;

    public bool TryTell(object message, IActorRef? sender)
    {
        var open = Interlocked.Increment(ref _senders) > 0;
        if (open)
        {
            actor.Tell(message, sender);
        }

        Interlocked.Decrement(ref _senders);
        return open;
    }

    public void Close()
    {
        if (Volatile.Read(ref _senders) >= 0)
        {
            Interlocked.Add(ref _senders, int.MinValue);
        }

        var wait = default(SpinWait);
        while (Volatile.Read(ref _senders) != int.MinValue)
        {
            wait.SpinOnce();   // a sender is inside TryTell
        }
    }
}
