using System.Numerics;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Finds the entries of an <see cref="ExpiringRing"/> by their key: linear hashing, with chains whose links are in the entries. The table
/// has about as many buckets as there are entries. An entry that is added splits one bucket, and one that is removed merges two at most, so
/// no call moves the whole table.
/// </summary>
internal sealed class RingIndex(RingBytes bytes)
{
    /// <summary>The most bytes of buckets for each entry: there are at most twice as many buckets as entries.</summary>
    public const int BytesPerEntry = 2 * sizeof(long);

    private const int ChunkBits = 9;
    private const int ChunkBuckets = 1 << ChunkBits;

    // The position of each bucket's first entry, 0 when it is empty. Pinned arrays of numbers, which the garbage collector neither scans
    // nor moves.
    private long[]?[] _chunks = new long[1][];
    private int _buckets;

    /// <summary>How many entries there are.</summary>
    public int Count { get; private set; }

    /// <summary>The memory of the buckets.</summary>
    public long Reserved { get; private set; }

    /// <summary>The position of the entry with a key, 0 when there is none.</summary>
    public long Find(ReadOnlySpan<byte> key, int hash)
    {
        var hashAndLength = RingEntry.HashAndLength(hash, key.Length);
        for (var at = _buckets == 0 ? 0 : Head(BucketOf(hash)); at != 0; at = Next(at))
        {
            if (bytes.ReadNumber(at + RingEntry.KeyOffset) == hashAndLength && bytes.Equals(at + RingEntry.HeaderBytes, key))
            {
                return at;
            }
        }

        return 0;
    }

    /// <summary>Adds an entry whose key is not there yet.</summary>
    public void Add(long at)
    {
        if (++Count > _buckets)
        {
            SplitOne();
        }

        PutFirst(ref Head(BucketOf(Hash(at))), at);
    }

    /// <summary>Removes an entry that is there.</summary>
    public void Remove(long at)
    {
        ref var head = ref Head(BucketOf(Hash(at)));
        if (head == at)
        {
            head = Next(at);
        }
        else
        {
            var before = head;
            while (Next(before) != at)
            {
                before = Next(before);
            }

            SetNext(before, Next(at));
        }

        Count--;
        for (var merged = 0; merged < 2 && Count < _buckets / 2; merged++)
        {
            MergeOne();
        }
    }

    // A new last bucket takes its entries from the bucket whose number differs in the highest bit only.
    private void SplitOne()
    {
        var added = _buckets;
        if ((added & (ChunkBuckets - 1)) == 0)
        {
            MakeChunk(added >> ChunkBits);
        }

        _buckets++;
        if (added == 0)
        {
            return;
        }

        ref var from = ref Head(PartnerOf(added));
        var at = from;
        from = 0;
        while (at != 0)
        {
            var next = Next(at);
            PutFirst(ref Head(BucketOf(Hash(at))), at);
            at = next;
        }
    }

    private void MergeOne()
    {
        var last = --_buckets;
        ref var into = ref Head(PartnerOf(last));
        ref var from = ref Head(last);
        while (from != 0)
        {
            var at = from;
            from = Next(at);
            PutFirst(ref into, at);
        }

        if ((last & (ChunkBuckets - 1)) == 0)
        {
            _chunks[last >> ChunkBits] = null;
            Reserved -= ChunkBuckets * sizeof(long);
        }
    }

    private void MakeChunk(int number)
    {
        if (number == _chunks.Length)
        {
            Array.Resize(ref _chunks, 2 * number);
        }

        _chunks[number] = GC.AllocateArray<long>(ChunkBuckets, pinned: true);
        Reserved += ChunkBuckets * sizeof(long);
    }

    private void PutFirst(ref long head, long at)
    {
        SetNext(at, head);
        head = at;
    }

    private static int PartnerOf(int bucket) => bucket & ~(1 << BitOperations.Log2((uint)bucket));

    private int BucketOf(int hash)
    {
        var mask = (int)(BitOperations.RoundUpToPowerOf2((uint)_buckets) - 1);
        var bucket = hash & mask;
        return bucket < _buckets ? bucket : bucket & (mask >> 1);
    }

    private ref long Head(int bucket) => ref _chunks[bucket >> ChunkBits]![bucket & (ChunkBuckets - 1)];

    private int Hash(long at) => RingEntry.Hash(bytes.ReadNumber(at + RingEntry.KeyOffset));

    private long Next(long at) => bytes.ReadNumber(at + RingEntry.NextOffset);

    private void SetNext(long at, long next) => bytes.WriteNumber(at + RingEntry.NextOffset, next);
}
