using System.Collections.Concurrent;
using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The owners that live on this node. A message to one of them goes straight into its mailbox: the way through the region and
/// the shard would cost two more mailboxes, whose order one node's whole traffic shares. A key that has no owner here goes that way,
/// which starts one or finds it on another node.
/// </summary>
internal sealed class LocalOwners
{
    private readonly ConcurrentDictionary<CounterKey, LocalOwner> _owners = new();

    // The dictionary's own count takes all its locks.
    private int _count;

    /// <summary>How many there are, roughly: counted by those who come and go.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Those who are here; who comes or goes meanwhile may be among them or not.</summary>
    public IEnumerable<LocalOwner> All => _owners.Select(static owner => owner.Value);

    /// <summary>Hands the message to the owner of the key; false when it is not here.</summary>
    public bool TryTell(CounterKey key, object message, IActorRef? sender) =>
        _owners.TryGetValue(key, out var owner) && owner.TryTell(message, sender);

    /// <summary>From now on the owner of this key is told directly.</summary>
    public LocalOwner Enter(CounterKey key, IActorRef actor)
    {
        var owner = new LocalOwner(key, actor);
        _owners[key] = owner;
        Interlocked.Increment(ref _count);
        return owner;
    }

    /// <summary>
    /// The owner takes no more messages this way. When this returns, all that were sent this way are in its mailbox already.
    /// </summary>
    public void Leave(LocalOwner owner)
    {
        _owners.TryRemove(KeyValuePair.Create(owner.Key, owner));
        Interlocked.Decrement(ref _count);
        owner.Close();
    }
}

/// <summary>An owner's door: closing it waits for those who are in it, so that no message is sent to an actor that has stopped.</summary>
internal sealed class LocalOwner(CounterKey key, IActorRef actor)
{
    // How many are sending at the moment; once closed, so many more than the least number there is.
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
            wait.SpinOnce();   // somebody is between the two lines of TryTell
        }
    }
}
