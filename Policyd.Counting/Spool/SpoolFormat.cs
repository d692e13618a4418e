using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Spool;

/// <summary>
/// How a spool file is written. All numbers are big-endian, all texts UTF-8.
/// <code>
/// file   = magic "policyd-spool" NUL, version (u8), frame of the head, frame of an entry …
/// frame  = length of the body (u32), CRC32C of length and body (u32), body
/// head   = node (16), connection (u32 length, text), database (u32 length, text)
/// entry  = number (u64), sequence (u64), at in ms of Unix time (i64), count, count_rcpt, size, size_rcpt (i64 each),
///          flags (u8: 1 absolute, 2 has an id), id format (u8), request id (16), table, key, time (u32 length, text)
/// </code>
/// A test holds the bytes. Another layout gets another version.
/// </summary>
internal static class SpoolFormat
{
    /// <summary>The version of the format.</summary>
    public const byte Version = 1;

    /// <summary>What a frame has before its body.</summary>
    public const int FrameHead = 8;

    /// <summary>The longest body. A request's attributes, of which keys are made, are far shorter.</summary>
    public const int MaxBody = 1024 * 1024;

    private const int EntryFixed = (7 * 8) + 2 + 16;
    private const byte Absolute = 1;
    private const byte HasId = 2;

    /// <summary>What every file begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "policyd-spool\0"u8;

    /// <summary>Writes the beginning of a file.</summary>
    public static void WriteHeader(ArrayBufferWriter<byte> to, SpoolHeader header)
    {
        to.Write(Magic);
        to.Write([Version]);
        var body = new byte[16 + LengthOf(header.Connection) + LengthOf(header.Database)];
        header.Node.TryWriteBytes(body, bigEndian: true, out _);
        var rest = WriteText(body.AsSpan(16), header.Connection);
        WriteText(rest, header.Database);
        var frame = to.GetSpan(FrameHead + body.Length);
        body.CopyTo(frame[FrameHead..]);
        Seal(frame, body.Length);
        to.Advance(FrameHead + body.Length);
    }

    /// <summary>Writes an entry.</summary>
    /// <exception cref="SpoolException">The entry is longer than any may be.</exception>
    public static void WriteEntry(ArrayBufferWriter<byte> to, SpoolEntry entry)
    {
        var length = EntryFixed + LengthOf(entry.Table) + LengthOf(entry.Key) + LengthOf(entry.Time);
        if (length > MaxBody)
        {
            throw new SpoolException($"a counter of {entry.Table} has a key that is too long for the spool");
        }

        var frame = to.GetSpan(FrameHead + length);
        var body = frame.Slice(FrameHead, length);
        ReadOnlySpan<long> numbers =
        [
            entry.Number, entry.Sequence, entry.At.ToUnixTimeMilliseconds(),
            entry.Amounts.Count, entry.Amounts.CountRcpt, entry.Amounts.Size, entry.Amounts.SizeRcpt,
        ];
        foreach (var number in numbers)
        {
            BinaryPrimitives.WriteInt64BigEndian(body, number);
            body = body[8..];
        }

        body[0] = (byte)((entry.IsAbsolute ? Absolute : 0) | (entry.RequestId is null ? 0 : HasId));
        body[1] = (byte)entry.IdFormat;
        BinaryPrimitives.WriteUInt128BigEndian(body[2..], entry.RequestId ?? default);
        WriteText(WriteText(WriteText(body[18..], entry.Table), entry.Key), entry.Time);
        Seal(frame, length);
        to.Advance(FrameHead + length);
    }

    /// <summary>Reads the head's body; null when it is none.</summary>
    public static SpoolHeader? ReadHeader(ReadOnlySpan<byte> body)
    {
        if (body.Length < 16)
        {
            return null;
        }

        var node = new Guid(body[..16], bigEndian: true);
        body = body[16..];
        return TryReadText(ref body, out var connection) && TryReadText(ref body, out var database) && body.IsEmpty
            ? new SpoolHeader(node, connection, database)
            : null;
    }

    /// <summary>Reads an entry's body; null when it is none.</summary>
    public static SpoolEntry? ReadEntry(ReadOnlySpan<byte> body)
    {
        if (body.Length < EntryFixed)
        {
            return null;
        }

        Span<long> numbers = stackalloc long[7];
        foreach (ref var number in numbers)
        {
            number = BinaryPrimitives.ReadInt64BigEndian(body);
            body = body[8..];
        }

        var (flags, format) = (body[0], body[1]);
        var id = BinaryPrimitives.ReadUInt128BigEndian(body[2..]);
        body = body[18..];
        return numbers[0] > 0 && numbers[1] >= 0 && (flags & ~(Absolute | HasId)) == 0 && IsTime(numbers[2])
            && TryReadText(ref body, out var table) && TryReadText(ref body, out var key) && TryReadText(ref body, out var time)
            && body.IsEmpty
            ? new SpoolEntry(
                numbers[0],
                numbers[1],
                DateTimeOffset.FromUnixTimeMilliseconds(numbers[2]),
                table,
                key,
                time,
                new CounterAmounts(numbers[3], numbers[4], numbers[5], numbers[6]),
                (flags & Absolute) != 0,
                (flags & HasId) != 0 ? id : null,
                format)
            : null;
    }

    /// <summary>The check sum of a frame: the bytes of its length, then its body.</summary>
    public static uint Sum(ReadOnlySpan<byte> length, ReadOnlySpan<byte> body) => ~Crc32C(Crc32C(uint.MaxValue, length), body);

    private static uint Crc32C(uint sum, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var one in bytes)
        {
            sum = BitOperations.Crc32C(sum, one);
        }

        return sum;
    }

    private static bool IsTime(long milliseconds) =>
        milliseconds >= DateTimeOffset.MinValue.ToUnixTimeMilliseconds()
        && milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private static int LengthOf(string text) => 4 + Encoding.UTF8.GetByteCount(text);

    private static Span<byte> WriteText(Span<byte> to, string text)
    {
        var length = Encoding.UTF8.GetBytes(text, to[4..]);
        BinaryPrimitives.WriteInt32BigEndian(to, length);
        return to[(4 + length)..];
    }

    private static bool TryReadText(ref ReadOnlySpan<byte> from, out string text)
    {
        text = string.Empty;
        if (from.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(from) is var length && length > from.Length - 4)
        {
            return false;
        }

        text = Encoding.UTF8.GetString(from.Slice(4, (int)length));
        from = from[(4 + (int)length)..];
        return true;
    }

    private static void Seal(Span<byte> frame, int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(frame, length);
        BinaryPrimitives.WriteUInt32BigEndian(frame[4..], Sum(frame[..4], frame.Slice(FrameHead, length)));
    }
}
