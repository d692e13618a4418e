using System.Collections.Concurrent;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The owners that live on this node, by their keys. A message to one of them goes straight into its mailbox. A message to a key that has
/// no owner here goes to its partition, which starts an owner.
/// </summary>
internal sealed class LocalOwners
{
    private readonly ConcurrentDictionary<CounterKey, OwnerEntry> _entries = new();

    // The dictionary's own count takes all its locks.
    private int _count;

    /// <summary>How many there are. Owners that start or stop at this moment may be missing.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All of them. Owners that start or stop meanwhile may be missing.</summary>
    public IEnumerable<OwnerEntry> All => _entries.Select(static entry => entry.Value);

    /// <summary>Hands the message to the owner of the key; false when it is not here, or ends.</summary>
    public bool TryTell(CounterKey key, object message) => _entries.TryGetValue(key, out var entry) && entry.TryTell(message);

    /// <summary>The owner of a key, also while it ends.</summary>
    public OwnerEntry? Find(CounterKey key) => _entries.GetValueOrDefault(key);

    /// <summary>From now on messages for this key go directly to its owner.</summary>
    public void Enter(OwnerEntry entry)
    {
        _entries[entry.Key] = entry;
        Interlocked.Increment(ref _count);
    }

    /// <summary>The owner has ended.</summary>
    public void Leave(OwnerEntry entry)
    {
        if (_entries.TryRemove(KeyValuePair.Create(entry.Key, entry)))
        {
            Interlocked.Decrement(ref _count);
        }
    }
}
