using Policyd.Plugins.Expiring;

namespace Policyd.Backends.Expiring;

/// <summary>
/// In this server's memory, bounded by a number of entries: past it the oldest goes. A restart forgets them, and other servers do not see
/// them.
/// </summary>
internal sealed class MemoryExpiringStore(TimeProvider clock, int most = 500_000) : IExpiringStore
{
    private readonly long _start = clock.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<(string Key, long Number)> _order = new();
    private long _number;

    // What lasts goes by the monotonic clock: a wall clock that is put back would keep entries for as long.
    private TimeSpan Now => clock.GetElapsedTime(_start);

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>How many places the order holds, those of entries that are gone included.</summary>
    internal int Places
    {
        get
        {
            lock (_lock)
            {
                return _order.Count;
            }
        }
    }

    public ValueTask<long?> FindAsync(string key, CancellationToken ct)
    {
        lock (_lock)
        {
            return new ValueTask<long?>(_entries.TryGetValue(key, out var entry) && Now < entry.Until ? entry.Value : null);
        }
    }

    public ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct)
    {
        var now = Now;
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry) || now >= entry.Until)
            {
                Put(key, value, now, life);
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct)
    {
        lock (_lock)
        {
            Put(key, value, Now, life);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask RemoveAsync(string key, CancellationToken ct)
    {
        lock (_lock)
        {
            _entries.Remove(key);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    private void Put(string key, long value, TimeSpan now, TimeSpan life)
    {
        _entries[key] = new Entry(value, now + life, ++_number);
        _order.Enqueue((key, _number));
        DropOldest(now);
    }

    // The order is that of putting; an entry that was removed or put anew since has another number, and is not meant. Behind one that lives
    // long such places gather, so the order is made anew when most of it is of no use.
    private void DropOldest(TimeSpan now)
    {
        if (_order.Count > 2 * (_entries.Count + 1_000))
        {
            KeepMeant();
        }

        while (_order.TryPeek(out var oldest))
        {
            var isMeant = IsMeant(oldest, out var entry);
            if (isMeant && now < entry.Until && _entries.Count <= most)
            {
                return;
            }

            _order.Dequeue();
            if (isMeant)
            {
                _entries.Remove(oldest.Key);
            }
        }
    }

    private void KeepMeant()
    {
        for (var left = _order.Count; left > 0; left--)
        {
            var place = _order.Dequeue();
            if (IsMeant(place, out _))
            {
                _order.Enqueue(place);
            }
        }
    }

    private bool IsMeant((string Key, long Number) place, out Entry entry) =>
        _entries.TryGetValue(place.Key, out entry) && entry.Number == place.Number;

    private readonly record struct Entry(long Value, TimeSpan Until, long Number);
}
