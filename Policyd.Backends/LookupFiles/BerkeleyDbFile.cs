using System.Buffers.Binary;

namespace Policyd.Backends.LookupFiles;

/// <summary>
/// Reads a Berkeley DB file of type hash or btree as a whole, as postmap and SpamAssassin make them (hash versions 7 to 10, btree 8 to 10;
/// either byte order; any page size). Every pair stands on a leaf page or, when it is long, in a chain of overflow pages, so the index
/// above them is not needed: the pages are gone through in their order, which no damage can make endless. Layout: Berkeley DB's db_page.h,
/// as its documentation of the file formats describes it.
/// </summary>
internal static class BerkeleyDbFile
{
    private const uint HashMagic = 0x061561;
    private const uint BtreeMagic = 0x053162;
    private const int PageHead = 26;

    private const byte HashUnsorted = 2;
    private const byte BtreeLeaf = 5;
    private const byte Overflow = 7;
    private const byte Hash = 13;

    private const byte OnPage = 1;
    private const byte OffPage = 3;

    private delegate string? ItemReader(Pages pages, ReadOnlySpan<byte> page, int entry);

    /// <summary>Whether the file says that it is one.</summary>
    public static bool IsOne(ReadOnlySpan<byte> file) =>
        file.Length >= 512 && BinaryPrimitives.ReadUInt32LittleEndian(file[12..]) is var magic
        && (magic is HashMagic or BtreeMagic || BinaryPrimitives.ReverseEndianness(magic) is HashMagic or BtreeMagic);

    /// <summary>All pairs, each byte as one character (Latin-1), without the zero byte that Postfix ends keys and values with.</summary>
    /// <exception cref="InvalidDataException">It is no such file, or it is damaged.</exception>
    public static Dictionary<string, string> Read(byte[] file)
    {
        if (!IsOne(file))
        {
            throw new InvalidDataException("it is not a Berkeley DB file of type hash or btree");
        }

        var pages = new Pages(file);
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var page = 1; page < pages.Count; page++)
        {
            var body = pages[page];
            switch (body[25])
            {
                case Hash or HashUnsorted:
                    AddPairs(pages, body, HashItem, pairs);
                    break;
                case BtreeLeaf:
                    AddPairs(pages, body, LeafItem, pairs);
                    break;
            }
        }

        return pairs;
    }

    private static void AddPairs(Pages pages, ReadOnlySpan<byte> page, ItemReader item, Dictionary<string, string> pairs)
    {
        var entries = pages.UInt16(page[20..]);
        for (var entry = 0; entry + 1 < entries; entry += 2)
        {
            if (item(pages, page, entry) is { } key && item(pages, page, entry + 1) is { } value)
            {
                pairs[key] = value;
            }
        }
    }

    // Items grow from the page's end: one reaches from its own place to that of the one before it.
    private static string? HashItem(Pages pages, ReadOnlySpan<byte> page, int entry)
    {
        var (from, to) = (Place(pages, page, entry), entry == 0 ? page.Length : Place(pages, page, entry - 1));
        if (from >= to || to > page.Length)
        {
            throw Damaged("an item that ends before it begins");
        }

        var item = page[from..to];
        return item[0] switch
        {
            OnPage => LookupFile.Text(pages.Take(item[1..])),
            OffPage when item.Length >= 12 => LookupFile.Text(pages.Chain(item)),
            _ => null,   // duplicates, which no map has
        };
    }

    private static string? LeafItem(Pages pages, ReadOnlySpan<byte> page, int entry)
    {
        var item = page[Place(pages, page, entry)..];
        if (item.Length < 3)
        {
            throw Damaged("an item beyond its page");
        }

        var length = pages.UInt16(item);
        return item[2] switch   // with its highest bit set it is deleted
        {
            OnPage when item.Length >= 3 + length => LookupFile.Text(pages.Take(item.Slice(3, length))),
            OnPage => throw Damaged("an item beyond its page"),
            OffPage when item.Length >= 12 => LookupFile.Text(pages.Chain(item)),
            _ => null,
        };
    }

    private static int Place(Pages pages, ReadOnlySpan<byte> page, int entry)
    {
        var index = PageHead + (2 * entry);
        if (index + 2 > page.Length || pages.UInt16(page[index..]) is not (>= PageHead and var place) || place >= page.Length)
        {
            throw Damaged("an item beyond its page");
        }

        return place;
    }

    private static InvalidDataException Damaged(string how) => new($"the file is damaged: {how}");

    private sealed class Pages
    {
        private const byte Checksummed = 1;

        // Each byte belongs to one item, or to a few with the same key. Where thousands of items name the same bytes, a small file would
        // fill the memory.
        private const long MostOfFile = 4;
        private readonly byte[] _file;
        private readonly int _size;
        private readonly bool _bigEndian;
        private long _left;

        public Pages(byte[] file)
        {
            _file = file;
            _left = MostOfFile * file.Length;
            _bigEndian = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(12)) is HashMagic or BtreeMagic;
            var (isHash, version, size) = (UInt32(file.AsSpan(12)) == HashMagic, UInt32(file.AsSpan(16)), UInt32(file.AsSpan(20)));
            if (version < (isHash ? 7u : 8u) || version > 10)
            {
                throw new InvalidDataException($"version {version} of Berkeley DB's {(isHash ? "hash" : "btree")} files is not supported");
            }

            if (size is < 512 or > 65536 || !uint.IsPow2(size))
            {
                throw Damaged($"pages of {size} bytes");
            }

            if (file[24] != 0 || (file[26] & Checksummed) != 0)
            {
                throw new InvalidDataException("an encrypted or checksummed Berkeley DB file cannot be read");
            }

            _size = (int)size;
        }

        public int Count => _file.Length / _size;

        public ReadOnlySpan<byte> this[int page] => _file.AsSpan(page * _size, _size);

        public int UInt16(ReadOnlySpan<byte> at) =>
            _bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(at) : BinaryPrimitives.ReadUInt16LittleEndian(at);

        public uint UInt32(ReadOnlySpan<byte> at) =>
            _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(at) : BinaryPrimitives.ReadUInt32LittleEndian(at);

        /// <summary>The bytes of an item, which count towards what a file of this length can hold.</summary>
        public ReadOnlySpan<byte> Take(ReadOnlySpan<byte> item)
        {
            Spend(item.Length);
            return item;
        }

        /// <summary>
        /// What the chain of overflow pages holds that an item of 12 bytes names. Every page gives at least a byte, so a chain that bites
        /// its tail ends as well.
        /// </summary>
        public byte[] Chain(ReadOnlySpan<byte> item)
        {
            var (first, length) = (UInt32(item[4..]), UInt32(item[8..]));
            if (length > _file.Length)
            {
                throw Damaged("an item longer than the file");
            }

            Spend(length);
            var bytes = new byte[length];
            var filled = 0;
            for (var next = first; filled < length;)
            {
                if (next == 0 || next >= (uint)Count)
                {
                    throw Damaged("a chain of overflow pages that leaves the file");
                }

                var page = this[(int)next];
                var part = UInt16(page[22..]);
                if (page[25] != Overflow || part == 0 || part > Math.Min(_size - PageHead, length - filled))
                {
                    throw Damaged("a chain of overflow pages that is incomplete");
                }

                page.Slice(PageHead, part).CopyTo(bytes.AsSpan(filled));
                filled += part;
                next = UInt32(page[16..]);
            }

            return bytes;
        }

        private void Spend(long length)
        {
            _left -= length;
            if (_left < 0)
            {
                throw Damaged("items that share their bytes");
            }
        }
    }
}
