using System.Text;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Berkeley DB's hash and btree files read plainly, by the structures of its db_page.h.</summary>
internal sealed class PlainBerkeleyDbReader
{
    private readonly byte[] _file;
    private readonly bool _isBig;
    private readonly int _size;
    private long _given;

    private PlainBerkeleyDbReader(byte[] file)
    {
        _file = file;
        _isBig = new Cursor(file, 12).Big32() is 0x061561 or 0x053162;
        var magic = UInt32(12);
        if (file.Length < 512 || magic is not (0x061561 or 0x053162))
        {
            throw new MalformedException("magic");
        }

        var (version, size) = (UInt32(16), UInt32(20));
        if (version < (magic == 0x061561 ? 7 : 8) || version > 10
            || !((long[])[512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]).Contains(size))
        {
            throw new MalformedException("version or size");
        }

        if (_file[24] != 0 || (_file[26] & 1) != 0)
        {
            throw new MalformedException("encrypted or checksummed");
        }

        _size = (int)size;
    }

    /// <summary>The pairs as text; null when the file is refused.</summary>
    public static string? Describe(byte[] file)
    {
        try
        {
            return Texts.Of(new PlainBerkeleyDbReader(file).Pairs());
        }
        catch (MalformedException)
        {
            return null;
        }
    }

    private Dictionary<string, string> Pairs()
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var page = 1; page < _file.Length / _size; page++)
        {
            var kind = _file[(page * _size) + 25];
            var isHash = kind is 2 or 13;
            var places = isHash || kind == 5 ? Places(page) : [];
            for (var entry = 0; entry + 1 < UInt16((page * _size) + 20) && (isHash || kind == 5); entry += 2)
            {
                var key = Item(page, isHash, entry, places);
                var value = key is null ? null : Item(page, isHash, entry + 1, places);
                if (value is not null)
                {
                    pairs[key!] = value;
                }
            }
        }

        return pairs;
    }

    // As far as there are any within the page; one more is looked at only when it is needed.
    private List<int> Places(int page)
    {
        var places = new List<int>();
        for (var at = 26; at + 2 <= _size && places.Count < UInt16((page * _size) + 20); at += 2)
        {
            places.Add(UInt16((page * _size) + at));
        }

        return places;
    }

    private string? Item(int page, bool isHash, int entry, List<int> places)
    {
        int Place(int index) => index < places.Count && places[index] >= 26 && places[index] < _size ? places[index]
            : throw new MalformedException("place");
        var from = Place(entry);
        var to = isHash && entry > 0 ? Place(entry - 1) : _size;
        if (from >= to)
        {
            throw new MalformedException("item");
        }

        return isHash ? HashItem(_file[((page * _size) + from)..((page * _size) + to)])
            : LeafItem(_file[((page * _size) + from)..((page + 1) * _size)]);
    }

    private string? HashItem(byte[] item) => item[0] switch
    {
        1 => Text(item[1..]),
        3 when item.Length >= 12 => Text(Chain(item)),
        _ => null,
    };

    private string? LeafItem(byte[] item)
    {
        if (item.Length < 3)
        {
            throw new MalformedException("item");
        }

        var length = _isBig ? new Cursor(item).Big16() : new Cursor(item).Little16();
        return item[2] switch
        {
            1 => Text(new Cursor(item, 3).Take(length)),
            3 when item.Length >= 12 => Text(Chain(item)),
            _ => null,
        };
    }

    private byte[] Chain(byte[] item)
    {
        var (next, length) = _isBig ? (new Cursor(item, 4).Big32(), new Cursor(item, 8).Big32())
            : (new Cursor(item, 4).Little32(), new Cursor(item, 8).Little32());
        if (length > _file.Length)
        {
            throw new MalformedException("chain");
        }

        var bytes = new List<byte>();
        while (bytes.Count < length)
        {
            if (next == 0 || next >= _file.Length / _size)
            {
                throw new MalformedException("chain");
            }

            var page = (int)next * _size;
            var part = UInt16(page + 22);
            if (_file[page + 25] != 7 || part == 0 || part > _size - 26 || bytes.Count + part > length)
            {
                throw new MalformedException("chain");
            }

            bytes.AddRange(_file[(page + 26)..(page + 26 + part)]);
            next = UInt32(page + 16);
        }

        return [.. bytes];
    }

    // The items of a file share hardly a byte: four times its length is more than any real file holds.
    private string Text(byte[] bytes)
    {
        _given += bytes.Length;
        return _given <= 4L * _file.Length ? Encoding.Latin1.GetString(bytes.Length > 0 && bytes[^1] == 0 ? bytes[..^1] : bytes)
            : throw new MalformedException("items that share their bytes");
    }

    private int UInt16(int at) => _isBig ? new Cursor(_file, at).Big16() : new Cursor(_file, at).Little16();

    private uint UInt32(int at) => _isBig ? new Cursor(_file, at).Big32() : new Cursor(_file, at).Little32();
}
