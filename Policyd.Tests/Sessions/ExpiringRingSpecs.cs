using System.Buffers;
using System.Text;
using CsCheck;
using Policyd.Engine.Sessions;

namespace Policyd.Tests.Sessions;

public sealed class ExpiringRingSpecs
{
    private const int IndexChunk = 4096;

    private static readonly long[] s_sizes = [1, 300, 1_000, 5_000, 20_000];
    private static readonly Gen<int> s_length = Gen.Frequency((9, Gen.Int[0, 60]), (1, Gen.Int[0, 6_000]));
    private static readonly int[] s_hashes = [0, 1, 3, int.MaxValue];

    private enum Step
    {
        Get,
        Remove,
        Put,
        PutAgain,
    }

    // Every size at which a ring behaves differently: no room at all, entries that are larger than a segment, and room for everything.
    [Fact]
    public void Ring_behaves_as_a_list_in_the_order_of_writing() =>
        Gen.Select(
            Gen.Int[0, s_sizes.Length - 1].Select(static index => s_sizes[index]),
            Gen.Int[0, s_hashes.Length - 1].Select(static index => s_hashes[index]),
            Gen.Select(Gen.Enum<Step>(), Gen.Int[0, 25], s_length, Gen.Int[1, 200], Gen.Int[0, 20]).List[0, 150])
        .Sample((maxBytes, hashes, steps) =>
        {
            var ring = new RingUnderTest(maxBytes, hashes);
            Assert.Equal(0, ring.Ring.Reserved);
            foreach (var (step, id, length, lifetime, pause) in steps)
            {
                ring.Now += pause;
                switch (step)
                {
                    case Step.Get:
                        ring.Get(id);
                        break;
                    case Step.Remove:
                        ring.Remove(id);
                        break;
                    default:
                        ring.Put(id, length, lifetime);
                        break;
                }

                Assert.InRange(ring.Ring.Bytes, 0, maxBytes);
                Assert.InRange(ring.Ring.Reserved, 0, maxBytes + IndexChunk);
            }

            for (var id = 0; id <= 25; id++)
            {
                ring.Get(id);
            }
        });

    [Fact]
    public void Entries_of_one_hash_are_told_apart()
    {
        var ring = new RingUnderTest(1 << 20, hashes: 1);
        for (var id = 0; id < 200; id++)
        {
            ring.Put(id, id, 1000);
        }

        for (var id = 0; id < 400; id++)
        {
            ring.Get(id);
        }
    }

    [Fact]
    public void Thousands_of_entries_are_found_while_the_index_grows_and_shrinks()
    {
        var ring = new RingUnderTest(1 << 20, int.MaxValue);
        var ids = Enumerable.Range(0, 6_000).ToArray();
        foreach (var id in ids)
        {
            ring.Put(id, 8, 1000);
        }

        var full = ring.Ring.Reserved;
        Assert.Equal(6_000, ring.Ring.Count);
        for (var id = 0; id < 6_100; id += 7)
        {
            ring.Get(id);
        }

        new Random(1).Shuffle(ids);
        foreach (var id in ids[..5_990])
        {
            ring.Remove(id);
        }

        Assert.Equal(10, ring.Ring.Count);
        Assert.InRange(ring.Ring.Reserved, 1, full - 6_000 / 512 * IndexChunk);
        foreach (var id in ids)
        {
            ring.Get(id);
        }
    }

    [Fact]
    public void What_has_expired_is_given_up_a_few_at_a_call()
    {
        var ring = new ExpiringRing(1 << 20);
        for (var id = 0; id < 5_000; id++)
        {
            ring.Put(Encoding.ASCII.GetBytes($"k{id}"), id, "value"u8, 0, 100);
        }

        var full = ring.Reserved;
        var buffer = ArrayPool<byte>.Shared.Rent(16);
        Assert.False(ring.TryGet("k4999"u8, 4999, 100, ref buffer, out _));
        Assert.InRange(ring.Count, 4_900, 4_999);
        for (var call = 0; call < 100; call++)
        {
            Assert.False(ring.TryGet("other"u8, 1, 100, ref buffer, out _));
        }

        Assert.Equal((0, 0), (ring.Count, ring.Bytes));
        Assert.InRange(ring.Reserved, 0, full / 4);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    [Fact]
    public void An_entry_that_is_written_over_and_over_takes_its_room_once()
    {
        var ring = new RingUnderTest(100_000, int.MaxValue);
        ring.Put(1, 100, 1000);
        var once = ring.Ring.Bytes;
        for (var time = 0; time < 5_000; time++)
        {
            ring.Put(2, 500 + time % 7, 1000);
        }

        ring.Get(1);
        ring.Remove(2);
        Assert.Equal(once, ring.Ring.Bytes);
    }

    /// <summary>
    /// A ring beside its naive model, a list of all that is written and not dropped. What both say is compared after each step.
    /// </summary>
    private sealed class RingUnderTest(long maxBytes, int hashes)
    {
        private readonly long _capacity = maxBytes - 3 * (1 << (int)Math.Log2(Math.Clamp(maxBytes / 64, 64, 1024 * 1024)));
        private readonly List<Entry> _entries = [];
        private readonly Random _random = new(1);
        private byte[] _buffer = ArrayPool<byte>.Shared.Rent(16);

        public ExpiringRing Ring { get; } = new(maxBytes);

        public long Now { get; set; } = 1_000;

        private long Bytes => _entries.Sum(static one => one.Size) + 16L * _entries.Count(static one => one.IsLive);

        public void Get(int id)
        {
            DropExpired();
            var expected = _entries.Find(one => one.IsLive && one.Id == id && one.Expires > Now)?.Value;
            var found = Ring.TryGet(Key(id), Hash(id), Now, ref _buffer, out var length);
            Assert.Equal(expected is not null, found);
            Assert.Equal(expected ?? [], _buffer[..length]);
            Compare();
        }

        public void Put(int id, int length, int lifetime)
        {
            var value = new byte[length];
            _random.NextBytes(value);
            Ring.Put(Key(id), Hash(id), value, Now, Now + lifetime);
            Forget(id);
            var size = (32 + Key(id).Length + length + 7) / 8 * 8;
            if (size + 16 <= _capacity)
            {
                while (Bytes + size + 16 > _capacity)
                {
                    _entries.RemoveAt(0);
                }

                _entries.Add(new Entry(id, value, Now + lifetime, size));
            }

            Compare();
        }

        public void Remove(int id)
        {
            Ring.Remove(Key(id), Hash(id), Now);
            Forget(id);
            Compare();
        }

        private static byte[] Key(int id) => Encoding.ASCII.GetBytes("key " + id + new string('.', id % 90));

        private int Hash(int id) => hashes switch
        {
            0 => 0,
            int.MaxValue => HashCode.Combine(id),
            _ => id % hashes - 1,
        };

        private void Forget(int id)
        {
            DropExpired();
            if (_entries.Find(one => one.IsLive && one.Id == id) is not { } entry)
            {
                return;
            }

            entry.IsLive = false;
            if (_entries[^1] == entry)
            {
                _entries.RemoveAt(_entries.Count - 1);
            }
        }

        private void DropExpired()
        {
            for (var dropped = 0; dropped < 64 && _entries.Count > 0 && (!_entries[0].IsLive || _entries[0].Expires <= Now); dropped++)
            {
                _entries.RemoveAt(0);
            }
        }

        private void Compare()
        {
            Assert.Equal(_entries.Count(static one => one.IsLive), Ring.Count);
            Assert.Equal(Bytes, Ring.Bytes);
        }
    }

    private sealed class Entry(int id, byte[] value, long expires, int size)
    {
        public int Id => id;

        public byte[] Value => value;

        public long Expires => expires;

        public int Size => size;

        public bool IsLive { get; set; } = true;
    }
}
