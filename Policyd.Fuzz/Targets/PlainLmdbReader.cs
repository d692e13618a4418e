using System.Text;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>LMDB files read plainly, by the structures of its mdb.c.</summary>
internal sealed class PlainLmdbReader
{
    private readonly byte[] _file;
    private readonly int _size;
    private readonly HashSet<long> _taken = [];
    private readonly Dictionary<string, string> _pairs = new(StringComparer.Ordinal);
    private ulong _entries;

    private PlainLmdbReader(byte[] file)
    {
        _file = file;
        var size = new Cursor(file, 40).Little32();
        _size = ((long[])[512, 1024, 2048, 4096, 8192, 16384, 32768]).Contains(size) ? (int)size : throw new MalformedException("size");
    }

    /// <summary>The pairs as text; null when the file is refused.</summary>
    public static string? Describe(byte[] file)
    {
        try
        {
            var reader = new PlainLmdbReader(file);
            reader.Read();
            return Texts.Of(reader._pairs);
        }
        catch (MalformedException)
        {
            return null;
        }
    }

    private void Read()
    {
        var (first, second) = (TransactionOf(0), TransactionOf(_size));
        var newer = second > first ? _size : 0;
        var (depth, entries, root) = (Cursor(newer + 94).Little16(), Cursor(newer + 120).Little64(), Cursor(newer + 128).Little64());
        if (root != ulong.MaxValue)
        {
            Add(root, depth <= 32 ? depth : throw new MalformedException("depth"));
        }

        if (_entries != entries)
        {
            throw new MalformedException("entries");
        }
    }

    private ulong TransactionOf(int meta)
    {
        Cursor(meta).Take(152);
        return Cursor(meta + 10).Little16() == 8 && Cursor(meta + 16).Little32() == 0xBEEFC0DE && Cursor(meta + 20).Little32() == 1
            ? Cursor(meta + 144).Little64()
            : throw new MalformedException("meta");
    }

    private void Add(ulong number, int levels)
    {
        var isBranch = levels > 1;
        var page = Take(number, 1, isBranch ? 1 : 2);
        var (lower, upper) = (Cursor(page + 12).Little16(), Cursor(page + 14).Little16());
        if (lower < 16 || upper < lower || upper > _size)
        {
            throw new MalformedException("room");
        }

        var used = 0L;
        for (var index = 16; index + 1 < lower; index += 2)
        {
            var place = Cursor(page + index).Little16();
            if (place < upper || place + 8 > _size)
            {
                throw new MalformedException("place");
            }

            if (isBranch)
            {
                var node = Cursor(page + place);
                Add(node.Little32() + ((ulong)node.Little16() << 32), levels - 1);
            }
            else
            {
                used += AddPair(page, place);
                if (used > _size - upper)
                {
                    throw new MalformedException("overlap");
                }
            }
        }
    }

    private long AddPair(int page, int place)
    {
        var node = new Cursor(_file[page..(page + _size)], place);
        var (valueLength, flags, keyLength) = (node.Little32(), node.Little16(), node.Little16());
        if (flags > 1)
        {
            throw new MalformedException("flags");
        }

        var key = node.Take(keyLength);
        var value = flags == 0 ? node.Take(valueLength) : Overflow(node.Little64(), valueLength);
        _pairs[Text(key)] = Text(value);
        _entries++;
        return node.At - place;
    }

    private byte[] Overflow(ulong first, uint length)
    {
        var count = (16L + length + _size - 1) / _size;
        var page = Take(first, count, 4);
        return Cursor(page + 12).Little32() >= count ? Cursor(page + 16).Take(length) : throw new MalformedException("overflow");
    }

    // The place of the first page.
    private int Take(ulong first, long count, int kind)
    {
        var pages = _file.Length / _size;
        if (first >= (ulong)pages || (long)first + count > pages)
        {
            throw new MalformedException("beyond");
        }

        for (var number = (long)first; number < (long)first + count; number++)
        {
            if (!_taken.Add(number))
            {
                throw new MalformedException("twice");
            }
        }

        var place = (int)first * _size;
        return Cursor(place).Little64() == first && (Cursor(place + 10).Little16() & 0x6f) == kind ? place
            : throw new MalformedException("kind");
    }

    private Cursor Cursor(int at) => new(_file, at);

    private static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes.Length > 0 && bytes[^1] == 0 ? bytes[..^1] : bytes);
}
