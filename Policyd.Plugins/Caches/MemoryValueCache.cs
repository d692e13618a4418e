using System.Diagnostics.CodeAnalysis;

namespace Policyd.Plugins.Caches;

/// <summary>
/// A cache in this server's memory, bounded in entries and bytes: past a bound what was not used for the longest time goes. A restart
/// forgets all of it, and other servers do not see it.
/// </summary>
/// <param name="clock">The clock.</param>
/// <param name="mostEntries">How many values are kept.</param>
/// <param name="mostBytes">How much they may take together, in bytes: values, keys and what each entry costs besides.</param>
internal sealed class MemoryValueCache(
    TimeProvider clock, int mostEntries = MemoryValueCache.MostEntries, long mostBytes = MemoryValueCache.MostBytes) : IValueCache
{
    /// <summary>How many values a plugin's cache keeps.</summary>
    public const int MostEntries = 100_000;

    /// <summary>How much they may take together.</summary>
    public const long MostBytes = 32 * 1024 * 1024;

    /// <summary>The largest value: that of Redis and memcached, so that a plugin works with all of them.</summary>
    public const int MostValueBytes = 1_000_000;

    // Of an entry besides its letters and bytes: the headers of key and value, the entry, its node and its slot.
    private const int Overhead = 200;

    private readonly long _start = clock.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);

    // The one that was used last is the first.
    private readonly LinkedList<Entry> _order = new();
    private long _bytes;

    // What lasts goes by the monotonic clock: a wall clock that is put back would keep entries for as long.
    private TimeSpan Now => clock.GetElapsedTime(_start);

    /// <summary>How many entries there are, and what they take in bytes.</summary>
    public (int Entries, long Bytes) Size
    {
        get
        {
            lock (_lock)
            {
                return (_entries.Count, _bytes);
            }
        }
    }

    public ValueTask<byte[]?> GetAsync(string key, CancellationToken ct)
    {
        lock (_lock)
        {
            if (!TryFind(key, out var node))
            {
                return default;
            }

            _order.Remove(node);
            _order.AddFirst(node);

            // A copy: what the caller does with it must not change what others get.
            return new ValueTask<byte[]?>([.. node.Value.Value]);
        }
    }

    public ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct)
    {
        Check(value);
        lock (_lock)
        {
            Put(key, value, life);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct)
    {
        Check(value);
        lock (_lock)
        {
            if (TryFind(key, out _))
            {
                return new ValueTask<bool>(false);
            }

            Put(key, value, life);
        }

        return new ValueTask<bool>(true);
    }

    public ValueTask<bool> DeleteAsync(string key, CancellationToken ct)
    {
        lock (_lock)
        {
            var isThere = TryFind(key, out var node);
            if (isThere)
            {
                Drop(node!);
            }

            return new ValueTask<bool>(isThere);
        }
    }

    private static void Check(ReadOnlyMemory<byte> value)
    {
        if (value.Length > MostValueBytes)
        {
            throw new CacheException($"the value is larger than the maximum of {MostValueBytes} bytes");
        }
    }

    private static long Cost(Entry entry) => (2L * entry.Key.Length) + entry.Value.Length + Overhead;

    private bool TryFind(string key, [NotNullWhen(true)] out LinkedListNode<Entry>? node)
    {
        if (!_entries.TryGetValue(key, out node))
        {
            return false;
        }

        if (Now < node.Value.Until)
        {
            return true;
        }

        Drop(node);
        return false;
    }

    private void Put(string key, ReadOnlyMemory<byte> value, TimeSpan life)
    {
        if (_entries.TryGetValue(key, out var former))
        {
            Drop(former);
        }

        var entry = new Entry(key, value.ToArray(), Now + life);
        _entries[key] = _order.AddFirst(entry);
        _bytes += Cost(entry);
        while ((_entries.Count > mostEntries || _bytes > mostBytes) && _order.Last is { } oldest)
        {
            Drop(oldest);
        }
    }

    private void Drop(LinkedListNode<Entry> node)
    {
        _order.Remove(node);
        _entries.Remove(node.Value.Key);
        _bytes -= Cost(node.Value);
    }

    private sealed record Entry(string Key, byte[] Value, TimeSpan Until);
}
