using System.Buffers;
using System.Numerics;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Values by their keys, both bytes, in memory that the garbage collector does not look into. Every entry is written behind the newest;
/// when there is no room, the oldest go. An entry that is written again supersedes the former, which stays where it is until it is the
/// oldest. One caller at a time.
/// </summary>
internal sealed class ExpiringRing
{
    // After a pause everything has expired at once. What a call leaves behind is not found any more and goes with the next calls.
    private const int MaxDropped = 64;
    private const int MinSegmentBytes = 64;
    private const int MaxSegmentBytes = 1024 * 1024;
    private const int SegmentsInBound = 64;

    // The window begins and ends within segments, and one is spare.
    private const int SegmentsBesideWindow = 3;

    private readonly RingBytes _bytes;
    private readonly RingIndex _index;
    private readonly long _capacity;

    // 0 is no position: an empty bucket has it.
    private long _oldest = 8;
    private long _end = 8;

    /// <summary>Makes an empty ring, which has no memory yet.</summary>
    /// <param name="maxBytes">The most memory.</param>
    public ExpiringRing(long maxBytes)
    {
        var segment = (int)Math.Clamp(maxBytes / SegmentsInBound, MinSegmentBytes, MaxSegmentBytes);
        segment = 1 << BitOperations.Log2((uint)segment);
        _capacity = maxBytes - SegmentsBesideWindow * segment;
        _bytes = new RingBytes(segment, Math.Max(0, _capacity));
        _index = new RingIndex(_bytes);
    }

    /// <summary>How many entries there are, expired ones that have not been dropped yet included.</summary>
    public int Count => _index.Count;

    /// <summary>The bytes in use: all entries from the oldest on, superseded ones included, and what finds them.</summary>
    public long Bytes => _end - _oldest + (long)RingIndex.BytesPerEntry * Count;

    /// <summary>The memory that is allocated.</summary>
    public long Reserved => _bytes.Reserved + _index.Reserved;

    /// <summary>Copies the value of a key into an array of the shared pool.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its hash.</param>
    /// <param name="now">The time.</param>
    /// <param name="buffer">The array; replaced by a larger one of the pool when the value does not fit.</param>
    /// <param name="length">The value's length.</param>
    /// <returns>False when there is none, or it has expired.</returns>
    public bool TryGet(ReadOnlySpan<byte> key, int hash, long now, ref byte[] buffer, out int length)
    {
        DropExpired(now);
        length = 0;
        var at = _index.Find(key, hash);
        if (at == 0 || Expires(at) <= now)
        {
            return false;
        }

        length = (int)_bytes.ReadNumber(at + RingEntry.ValueOffset);
        if (length > buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(length);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        _bytes.Read(at + RingEntry.HeaderBytes + key.Length, buffer.AsSpan(0, length));
        return true;
    }

    /// <summary>Sets the value of a key. One that is larger than the whole ring is not kept; the key has no value then.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its hash.</param>
    /// <param name="value">The value.</param>
    /// <param name="now">The time.</param>
    /// <param name="expires">When the value expires; entries may differ in how long they live.</param>
    public void Put(ReadOnlySpan<byte> key, int hash, ReadOnlySpan<byte> value, long now, long expires)
    {
        Remove(key, hash, now);
        var size = RingEntry.Size(key.Length, value.Length);
        if (size + RingIndex.BytesPerEntry > _capacity)
        {
            return;
        }

        while (Bytes + size + RingIndex.BytesPerEntry > _capacity)
        {
            DropOldest();
        }

        var at = _end;
        _end += size;
        Span<byte> header = stackalloc byte[RingEntry.HeaderBytes];
        RingEntry.WriteHeader(header, expires, hash, key.Length, value.Length);
        _bytes.Write(at, header);
        _bytes.Write(at + RingEntry.HeaderBytes, key);
        _bytes.Write(at + RingEntry.HeaderBytes + key.Length, value);
        _index.Add(at);
    }

    /// <summary>Removes the value of a key, if there is one.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its hash.</param>
    /// <param name="now">The time.</param>
    public void Remove(ReadOnlySpan<byte> key, int hash, long now)
    {
        DropExpired(now);
        var at = _index.Find(key, hash);
        if (at == 0)
        {
            return;
        }

        _index.Remove(at);
        _bytes.WriteNumber(at + RingEntry.ExpiresOffset, RingEntry.Removed);
        if (at + Size(at) == _end)
        {
            // The newest entry: a mail's recipients often follow each other.
            _bytes.TakeBack(at, _end);
            _end = at;
        }
    }

    private void DropExpired(long now)
    {
        for (var dropped = 0; dropped < MaxDropped && _oldest < _end && Expires(_oldest) <= now; dropped++)
        {
            DropOldest();
        }
    }

    private void DropOldest()
    {
        if (Expires(_oldest) != RingEntry.Removed)
        {
            _index.Remove(_oldest);
        }

        var next = _oldest + Size(_oldest);
        _bytes.Leave(_oldest, next);
        _oldest = next;
    }

    private long Expires(long at) => _bytes.ReadNumber(at + RingEntry.ExpiresOffset);

    private long Size(long at) =>
        RingEntry.Size(RingEntry.KeyLength(_bytes.ReadNumber(at + RingEntry.KeyOffset)), _bytes.ReadNumber(at + RingEntry.ValueOffset));
}
