using System.Collections.Concurrent;
using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The mailbox gates of the owners that live on this node. A message to one of them goes straight into its mailbox: through the shard
/// region and the shard it would pass two more mailboxes, which all traffic of the node shares. A message to a key that has no owner here
/// goes through the region, which starts an owner or finds it on another node.
/// </summary>
internal sealed class LocalOwners
{
    private readonly ConcurrentDictionary<CounterKey, MailboxGate> _gates = new();

    // The dictionary's own count takes all its locks.
    private int _count;

    /// <summary>How many there are. Owners that start or stop at this moment may be missing.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All gates. Owners that start or stop meanwhile may be missing.</summary>
    public IEnumerable<MailboxGate> All => _gates.Select(static gate => gate.Value);

    /// <summary>Hands the message to the owner of the key; false when it is not here.</summary>
    public bool TryTell(CounterKey key, object message, IActorRef? sender) =>
        _gates.TryGetValue(key, out var gate) && gate.TryTell(message, sender);

    /// <summary>From now on messages for this key go directly to its owner.</summary>
    public MailboxGate Enter(CounterKey key, IActorRef actor)
    {
        var gate = new MailboxGate(key, actor);
        _gates[key] = gate;
        Interlocked.Increment(ref _count);
        return gate;
    }

    /// <summary>
    /// The owner takes no more messages this way. When this returns, every message that was sent this way is in its mailbox.
    /// </summary>
    public void Leave(MailboxGate gate)
    {
        _gates.TryRemove(KeyValuePair.Create(gate.Key, gate));
        Interlocked.Decrement(ref _count);
        gate.Close();
    }
}
