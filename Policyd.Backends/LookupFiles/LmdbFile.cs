using System.Buffers.Binary;
using System.Collections;

namespace Policyd.Backends.LookupFiles;

/// <summary>
/// Reads an LMDB file as a whole, as Postfix's postmap makes it: one data file of a little-endian machine of 64 bits, without sub-databases
/// and without several values for a key. Unlike a Berkeley DB file it is full of pages that are not in use any more, since what is deleted
/// or rewritten stays until its place is needed; so the tree is gone down from the root that the newer of the two meta pages names. No page
/// is taken twice, which ends every loop and keeps what is read below the size of the file. Layout: LMDB's mdb.c, where the structures of
/// pages, nodes and metas are documented.
/// </summary>
internal static class LmdbFile
{
    /// <summary>How many bytes at a file's begin tell whether it is one, and how large its pages are.</summary>
    public const int HeadLength = PageHead + MetaLength;

    private const uint Magic = 0xBEEFC0DE;
    private const int PageHead = 16;
    private const int MetaLength = 136;
    private const int NodeHead = 8;

    // The head of a page of a 32-bit machine is shorter.
    private const int PageHeadOf32Bits = 12;

    // LMDB's own limit: its cursors hold no more.
    private const int Deepest = 32;

    private const ushort Branch = 0x01;
    private const ushort Leaf = 0x02;
    private const ushort Overflow = 0x04;
    private const ushort Meta = 0x08;
    private const ushort Kinds = 0x6F;   // with the two kinds that only sorted duplicates have

    private const ushort OffPage = 0x01;

    /// <summary>Whether the file says that it is one, be it of a kind that cannot be read.</summary>
    public static bool IsOne(ReadOnlySpan<byte> file) =>
        file.Length >= HeadLength && (HasMagic(file[PageHead..]) || HasMagic(file[PageHeadOf32Bits..]));

    /// <summary>
    /// Where the two metas stand, the heads of their pages with them. Each commit writes one of them as its last, so they tell whether a
    /// file has changed.
    /// </summary>
    /// <exception cref="InvalidDataException">It is no such file, or one that cannot be read.</exception>
    public static (Range First, Range Second) Metas(ReadOnlySpan<byte> head)
    {
        if (!IsOne(head))
        {
            throw new InvalidDataException("it is not an LMDB file");
        }

        if (UInt32(head, PageHead) != Magic)
        {
            throw new InvalidDataException("it is an LMDB file of a big-endian or 32-bit machine, which cannot be read");
        }

        if (UInt32(head, PageHead + 4) is not 1 and var version)
        {
            throw new InvalidDataException($"version {version} of LMDB's files is not supported");
        }

        var size = UInt32(head, PageHead + 24);
        return size is >= 512 and <= 32768 && uint.IsPow2(size)
            ? (..HeadLength, (int)size..((int)size + HeadLength))
            : throw Damaged($"pages of {size} bytes");
    }

    /// <summary>All pairs, each byte as one character (Latin-1), without the zero byte that Postfix may end keys and values with.</summary>
    /// <exception cref="InvalidDataException">It is no such file, or it is damaged.</exception>
    public static Dictionary<string, string> Read(byte[] file)
    {
        var (first, second) = Metas(file);
        if (second.End.Value > file.Length)
        {
            throw Damaged("its second meta page is missing");
        }

        var metas = new[] { file[first], file[second] };
        if (metas.Any(meta => UInt16(meta, 10) != Meta || UInt32(meta, PageHead) != Magic || UInt32(meta, PageHead + 4) != 1))
        {
            throw Damaged("a meta page that is not valid");
        }

        var newer = metas.MaxBy(Transaction)!;
        var (depth, entries, root) = (UInt16(newer, PageHead + 78), UInt64(newer, PageHead + 104), UInt64(newer, PageHead + 112));
        var tree = new Tree(file, second.Start.Value);
        if (root != ulong.MaxValue)   // the root of an empty database
        {
            tree.Add(root, depth <= Deepest ? depth : throw Damaged($"a tree of {depth} levels"));
        }

        // Whatever else may have gone wrong with a page: none is missing, and none is of another time.
        return tree.Entries == entries ? tree.Pairs : throw Damaged($"it contains {tree.Entries} entries instead of {entries}");
    }

    private static bool HasMagic(ReadOnlySpan<byte> meta) =>
        UInt32(meta, 0) is var magic && (magic == Magic || BinaryPrimitives.ReverseEndianness(magic) == Magic);

    private static ulong Transaction(byte[] meta) => UInt64(meta, PageHead + 128);

    private static ushort UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint UInt32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong UInt64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    private static InvalidDataException Damaged(string how) => new($"the file is damaged: {how}");

    private sealed class Tree(byte[] file, int pageSize)
    {
        private readonly int _pageCount = file.Length / pageSize;
        private readonly BitArray _taken = new(file.Length / pageSize);

        public Dictionary<string, string> Pairs { get; } = new(StringComparer.Ordinal);

        /// <summary>More than <see cref="Pairs"/> where a key stands with and without a zero byte at its end.</summary>
        public ulong Entries { get; private set; }

        /// <summary>Adds what is below a page. All leaves of a tree are equally deep, so the level says what the page must be.</summary>
        public void Add(ulong number, int levels)
        {
            var kind = levels > 1 ? Branch : Leaf;
            var page = Take(number, 1, kind);
            int lower = UInt16(page, 12), upper = UInt16(page, 14);
            if (lower < PageHead || upper < lower || upper > pageSize)
            {
                throw Damaged($"page {number} has invalid bounds");
            }

            // Entries that lie over one another could make more of a page than there is in it.
            var room = pageSize - upper;
            for (var index = PageHead; index + 2 <= lower; index += 2)
            {
                int place = UInt16(page, index);
                if (place < upper || place + NodeHead > pageSize)
                {
                    throw Damaged($"page {number} has an entry beyond its end");
                }

                var node = page[place..];
                if (kind == Branch)
                {
                    Add(UInt32(node, 0) | ((ulong)UInt16(node, 4) << 32), levels - 1);
                }
                else if ((room -= AddPair(node)) < 0)
                {
                    throw Damaged($"page {number} has entries that overlap");
                }
            }
        }

        // What was added last counts. A key with a zero byte at its end comes after the same one without, and Postfix looks for it first.
        private int AddPair(ReadOnlySpan<byte> node)
        {
            var (valueLength, flags, keyLength) = (UInt32(node, 0), UInt16(node, 4), UInt16(node, 6));
            if (flags is not (0 or OffPage))
            {
                throw new InvalidDataException("it is not a Postfix map: the LMDB file has sub-databases or several values for a key");
            }

            var length = NodeHead + (long)keyLength + (flags == OffPage ? sizeof(ulong) : valueLength);
            if (length > node.Length)
            {
                throw Damaged("an entry beyond its page");
            }

            var value = node[(NodeHead + keyLength)..(int)length];
            Pairs[LookupFile.Text(node.Slice(NodeHead, keyLength))] = LookupFile.Text(
                flags == OffPage ? OverflowValue(UInt64(value, 0), valueLength) : value);
            Entries++;
            return (int)length;
        }

        private ReadOnlySpan<byte> OverflowValue(ulong first, uint length)
        {
            var count = (PageHead + (long)length + pageSize - 1) / pageSize;
            var pages = Take(first, count, Overflow);
            return UInt32(pages, 12) >= count ? pages.Slice(PageHead, (int)length) : throw Damaged("a long value that is incomplete");
        }

        private ReadOnlySpan<byte> Take(ulong first, long count, ushort kind)
        {
            if (first >= (ulong)_pageCount || count > _pageCount - (long)first)
            {
                throw Damaged($"page {first} is beyond its end");
            }

            for (var number = (int)first; number < (int)first + count; number++)
            {
                if (_taken[number])
                {
                    throw Damaged($"page {number} is used twice");
                }

                _taken[number] = true;
            }

            var pages = file.AsSpan((int)first * pageSize, (int)count * pageSize);
            return UInt64(pages, 0) == first && (UInt16(pages, 10) & Kinds) == kind
                ? pages
                : throw Damaged($"page {first} has the wrong type");
        }
    }
}
