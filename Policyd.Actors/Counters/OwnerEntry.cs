using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// An owner's place on its node: its key, the way into its mailbox, and, while it ends, what its next life is asked. The way can be closed:
/// closing waits for the senders that are in it, so that no message is sent to an actor that has stopped.
/// </summary>
internal sealed class OwnerEntry(CounterKey key, OwnerHome home) : IRowOwner, INoSerializationVerificationNeeded
{
    // The number of senders at the moment. Once closed, int.MinValue is added to it.
    private int _senders;
    private IActorRef _actor = ActorRefs.Nobody;

    public CounterKey Key { get; } = key;

    /// <summary>Where it lives.</summary>
    public OwnerHome Home { get; } = home;

    /// <summary>Null while it lives; while it ends, what its next life is asked. The partition's own.</summary>
    public List<object>? Held { get; set; }

    public uint Reports { get; set; }

    /// <summary>Its neighbours in the <see cref="OwnerList"/> of its partition.</summary>
    public OwnerEntry? Preceding { get; set; }

    public OwnerEntry? Following { get; set; }

    /// <summary>Whether messages are still taken.</summary>
    public bool IsOpen => Volatile.Read(ref _senders) >= 0;

    /// <summary>The owner's actor, once: before anybody else knows the entry.</summary>
    public void Begin(IActorRef actor) => _actor = actor;

    /// <summary>Hands a message to the owner; false when it takes none any more.</summary>
    public bool TryTell(object message)
    {
        var open = Interlocked.Increment(ref _senders) > 0;
        if (open)
        {
            _actor.Tell(message, ActorRefs.NoSender);
        }

        Interlocked.Decrement(ref _senders);
        return open;
    }

    /// <summary>When this returns, every message that was taken is in the mailbox.</summary>
    public void Close()
    {
        if (IsOpen)
        {
            Interlocked.Add(ref _senders, int.MinValue);
        }

        var wait = default(SpinWait);
        while (Volatile.Read(ref _senders) != int.MinValue)
        {
            wait.SpinOnce();   // a sender is inside TryTell
        }
    }

    /// <summary>What the partition alone may say, also when the way is closed.</summary>
    public void TellAnyway(object message) => _actor.Tell(message, ActorRefs.NoSender);

    public void Tell(RowReport report) => _actor.Tell(report, ActorRefs.NoSender);

    public void TellSettled(uint number, bool isSettled) =>
        _actor.Tell(new CounterProtocol.Settled(number, isSettled), ActorRefs.NoSender);

    public void TellCounted(FindCountedOperation find) => _actor.Tell(new CounterProtocol.Counted(find), ActorRefs.NoSender);
}

/// <summary>What all owners of a partition have in common.</summary>
/// <param name="Partition">Starts and ends them.</param>
/// <param name="Node">Their node.</param>
internal sealed record OwnerHome(IActorRef Partition, CounterNode Node);
