using System.Collections.Concurrent;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The owners that live on this node, by their keys. A message to one of them goes straight into its mailbox. A message to a key that has
/// no owner here goes to its partition, which starts an owner.
/// </summary>
internal sealed class LocalOwners
{
    // An entry is its own key: a key beside it would cost each owner two more words.
    private readonly ConcurrentDictionary<OwnerEntry, OwnerEntry> _entries = new(KeyOfEntry.Instance);
    private readonly ConcurrentDictionary<OwnerEntry, OwnerEntry>.AlternateLookup<CounterKey> _byKey;

    // The dictionary's own count takes all its locks.
    private int _count;

    public LocalOwners() => _byKey = _entries.GetAlternateLookup<CounterKey>();

    /// <summary>How many there are. Owners that start or stop at this moment may be missing.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All of them. Owners that start or stop meanwhile may be missing.</summary>
    public IEnumerable<OwnerEntry> All => _entries.Select(static entry => entry.Value);

    /// <summary>Hands the message to the owner of the key; false when it is not here, or ends.</summary>
    public bool TryTell(CounterKey key, object message) => _byKey.TryGetValue(key, out var entry) && entry.TryTell(message);

    /// <summary>The owner of a key, also while it ends.</summary>
    public OwnerEntry? Find(CounterKey key) => _byKey.TryGetValue(key, out var entry) ? entry : null;

    /// <summary>From now on messages for this key go directly to its owner.</summary>
    public void Enter(OwnerEntry entry)
    {
        _entries[entry] = entry;
        Interlocked.Increment(ref _count);
    }

    /// <summary>The owner has ended.</summary>
    public void Leave(OwnerEntry entry)
    {
        if (_entries.TryRemove(KeyValuePair.Create(entry, entry)))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private sealed class KeyOfEntry : IEqualityComparer<OwnerEntry>, IAlternateEqualityComparer<CounterKey, OwnerEntry>
    {
        public static readonly KeyOfEntry Instance = new();

        public bool Equals(OwnerEntry? one, OwnerEntry? other) => ReferenceEquals(one, other) || one!.Key == other!.Key;

        public bool Equals(CounterKey key, OwnerEntry entry) => key == entry.Key;

        public int GetHashCode(OwnerEntry entry) => entry.Key.GetHashCode();

        public int GetHashCode(CounterKey key) => key.GetHashCode();

        public OwnerEntry Create(CounterKey key) => throw new NotSupportedException("An owner is entered by its partition.");
    }
}
