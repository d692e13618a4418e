namespace Policyd.Plugins.Expiring;

/// <summary>
/// In this server's memory, bounded by a number of entries: past it the oldest goes. A restart forgets them, and other servers do not see them.
/// </summary>
internal sealed class MemoryExpiringStore(TimeProvider clock, int most = 500_000) : IExpiringStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<(string Key, long Number)> _order = new();
    private long _number;

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

    public ValueTask<long?> FindAsync(string key, CancellationToken ct)
    {
        lock (_lock)
        {
            return new ValueTask<long?>(_entries.TryGetValue(key, out var entry) && clock.GetUtcNow() < entry.Until ? entry.Value : null);
        }
    }

    public ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry) || now >= entry.Until)
            {
                _entries[key] = new Entry(value, now + life, ++_number);
                _order.Enqueue((key, _number));
                DropOldest(now);
            }
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

    // The order is that of adding; an entry that was removed or added anew since has another number, and is not meant.
    private void DropOldest(DateTimeOffset now)
    {
        while (_order.TryPeek(out var oldest))
        {
            var isMeant = _entries.TryGetValue(oldest.Key, out var entry) && entry.Number == oldest.Number;
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

    private readonly record struct Entry(long Value, DateTimeOffset Until, long Number);
}
