using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using Policyd.Counting.Spool;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>
/// Spool files of adds that wait for a database. Each input is read as it is, and once more with right check sums, or nearly every mutant
/// would end at the first of them.
/// </summary>
internal sealed class SpoolTarget() : FuzzTarget(
    "spool",
    "the entries are those of a plain reader, which ends where the first one is not whole; written again they are the same",
    new AllocationBound(96 * 1024, 64))
{
    private const string NoHead = "(no head)";

    public override IReadOnlyList<byte[]> Samples { get; } =
    [
        File(),
        File(Entry(1, "someone@example.org")),
        File(Entry(1, "a"), Entry(2, "grüße") with { IsAbsolute = true, Sequence = 9 }, Entry(3, "") with { RequestId = UInt128.MaxValue }),
    ];

    public override IReadOnlyList<byte[]> Words { get; } =
        [SpoolFormat.Magic.ToArray(), [0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff], [0, 0x10, 0, 0], [0, 0x10, 0, 1]];

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var asItIs = Compare(input, meter);
        var sealedAnew = (byte[])input.Clone();
        Seal(sealedAnew);
        return sealedAnew.AsSpan().SequenceEqual(input) ? asItIs : Compare(sealedAnew, meter);
    }

    private static Outcome Compare(byte[] input, Meter meter)
    {
        var reader = meter.Run(() => new SpoolReader(new MemoryStream(input, writable: false)));
        var entries = meter.Run(() => reader.Entries().ToList());
        var expected = Plain(input);
        Check.Same(expected, string.Join('\n', entries.Select(Described).Prepend(Described(reader.Header))), "the entries");
        if (reader.Header is null)
        {
            return Outcome.Rejected(reader.OtherVersion is null ? "no spool" : "another version");
        }

        var again = File(reader.Header, [.. entries]);
        var second = new SpoolReader(new MemoryStream(again, writable: false));
        Check.That(entries.SequenceEqual(second.Entries()), "written again the entries are others");
        Check.That(second.ValidLength == again.Length, "what was written again is not read to its end");
        return Outcome.Accepted($"{Math.Min(4, entries.Count)} entries{(reader.ValidLength < input.Length ? ", cut" : "")}");
    }

    private static string Plain(byte[] input)
    {
        var lines = new List<string>();
        try
        {
            var cursor = new Cursor(input);
            if (cursor.Latin1(14) != "policyd-spool\0" || cursor.Byte() != 1)
            {
                return NoHead;
            }

            var head = Frame(cursor);
            var node = new Guid(head.Take(16), bigEndian: true);
            var header = new SpoolHeader(node, Text(head), Text(head));
            AtEnd(head);
            lines.Add(Described(header));
            while (true)
            {
                lines.Add(PlainEntry(Frame(cursor)));
            }
        }
        catch (MalformedException)
        {
            // The first frame that is not whole.
        }

        return lines.Count == 0 || !lines[0].StartsWith("head", StringComparison.Ordinal) ? NoHead : string.Join('\n', lines);
    }

    private static Cursor Frame(Cursor cursor)
    {
        var start = cursor.At;
        var (length, sum) = (cursor.Big32(), cursor.Big32());
        var body = cursor.Take(length);
        cursor.At = start;
        var lengthBytes = cursor.Take(4);
        cursor.At = start + 8 + length;
        if (length > 1024 * 1024 || PlainSum([.. lengthBytes, .. body]) != sum)
        {
            throw new MalformedException("the check sum");
        }

        return new Cursor(body);
    }

    private static string PlainEntry(Cursor body)
    {
        var numbers = Enumerable.Range(0, 7).Select(_ => BinaryPrimitives.ReadInt64BigEndian(body.Take(8))).ToArray();
        var (flags, format) = (body.Byte(), body.Byte());
        var id = BinaryPrimitives.ReadUInt128BigEndian(body.Take(16));
        var (table, key, time) = (Text(body), Text(body), Text(body));
        AtEnd(body);
        if (numbers[0] < 1 || numbers[1] < 0 || flags > 3 || numbers[2] is < -62135596800000 or > 253402300799999)
        {
            throw new MalformedException("a number");
        }

        return Described(new SpoolEntry(
            numbers[0],
            numbers[1],
            DateTimeOffset.UnixEpoch.AddMilliseconds(numbers[2]),
            table,
            key,
            time,
            new(numbers[3], numbers[4], numbers[5], numbers[6]),
            flags is 1 or 3,
            flags >= 2 ? id : null,
            format));
    }

    private static string Text(Cursor body) => body.Utf8(body.Big32());

    private static void AtEnd(Cursor body)
    {
        if (!body.IsAtEnd)
        {
            throw new MalformedException("bytes behind the last value");
        }
    }

    // Bit by bit, as RFC 3720 has it.
    private static uint PlainSum(byte[] bytes)
    {
        var sum = uint.MaxValue;
        foreach (var one in bytes)
        {
            sum ^= one;
            for (var bit = 0; bit < 8; bit++)
            {
                sum = (sum & 1) != 0 ? (sum >> 1) ^ 0x82F63B78u : sum >> 1;
            }
        }

        return ~sum;
    }

    // Right check sums for as many frames as there are.
    private static void Seal(byte[] bytes)
    {
        for (long at = 15; at + 8 <= bytes.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan((int)at));
            if (at + 8 + length > bytes.Length)
            {
                return;
            }

            var sum = PlainSum([.. bytes.AsSpan((int)at, 4), .. bytes.AsSpan((int)at + 8, (int)length)]);
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan((int)at + 4), sum);
            at += 8 + length;
        }
    }

    private static string Described(SpoolHeader? header) =>
        header is null ? NoHead : $"head {header.Node} {header.Connection} {header.Database}";

    private static string Described(SpoolEntry entry) => string.Create(
        CultureInfo.InvariantCulture,
        $"{entry.Number} {entry.Sequence} {entry.At.UtcTicks} {entry.Table} {entry.Key} {entry.Time} {entry.Amounts} {entry.IsAbsolute} "
            + $"{entry.RequestId} {entry.IdFormat}");

    private static SpoolEntry Entry(long number, string key) => new(
        number,
        0,
        DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000),
        "acct_sender",
        key,
        "2026-11",
        new(1, 2, 3, 6),
        false,
        null,
        1);

    private static byte[] File(params SpoolEntry[] entries) =>
        File(new SpoolHeader(new Guid("00112233-4455-6677-8899-aabbccddeeff"), "db", "sqlite counters.db"), entries);

    private static byte[] File(SpoolHeader header, SpoolEntry[] entries)
    {
        var bytes = new ArrayBufferWriter<byte>();
        SpoolFormat.WriteHeader(bytes, header);
        foreach (var entry in entries)
        {
            SpoolFormat.WriteEntry(bytes, entry);
        }

        return bytes.WrittenSpan.ToArray();
    }
}
