using System.Collections.Concurrent;

namespace Policyd.Plugins.Counters;

/// <summary>
/// Which keys have a limit of their own, as a Quota saw it at their last mail. A limit that a mail's session brings is known to nobody
/// else, and an operator who lists counters wants to see how much of it is used. Two generations of entries bound the memory: a key that
/// sends no mail is forgotten when enough others have sent theirs.
/// </summary>
public sealed class OwnLimits
{
    private const int Generation = 5_000;

    private ConcurrentDictionary<CounterKey, double> _young = new(SameRow.Instance);
    private ConcurrentDictionary<CounterKey, double> _old = new(SameRow.Instance);

    /// <summary>The limit that the key's last mail had instead of the Quota's own; null when it had none, or none is remembered.</summary>
    /// <param name="key">The counter.</param>
    public double? Of(CounterKey key) => _young.TryGetValue(key, out var limit) || _old.TryGetValue(key, out limit) ? limit : null;

    /// <summary>The key's last mail had a limit of its own.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="limit">The limit.</param>
    public void Note(CounterKey key, double limit)
    {
        if (_young.TryGetValue(key, out var noted) && noted.Equals(limit))
        {
            return;
        }

        _young[key] = limit;
        if (_young.Count >= Generation)
        {
            // Two threads at once lose some entries at most: the next mail of the key notes it again.
            _old = _young;
            _young = new ConcurrentDictionary<CounterKey, double>(SameRow.Instance);
        }
    }

    /// <summary>The key's last mail had none.</summary>
    /// <param name="key">The counter.</param>
    public void Forget(CounterKey key)
    {
        _young.TryRemove(key, out _);
        _old.TryRemove(key, out _);
    }

    // A table may keep a key in other letters than the mail had it.
    private sealed class SameRow : IEqualityComparer<CounterKey>
    {
        public static readonly SameRow Instance = new();

        public bool Equals(CounterKey x, CounterKey y) =>
            x.Connection == y.Connection && x.Table == y.Table && string.Equals(x.Key, y.Key, StringComparison.OrdinalIgnoreCase);

        public int GetHashCode(CounterKey key) =>
            HashCode.Combine(key.Connection, key.Table, StringComparer.OrdinalIgnoreCase.GetHashCode(key.Key));
    }
}
