using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Policyd.Backends.Dns;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Dns;

namespace Policyd.Fuzz.Targets;

/// <summary>The messages of DNS servers.</summary>
internal sealed class DnsTarget() : FuzzTarget(
    "dns",
    "an answer is that of a plain reader of RFC 1035, or both refuse the message",
    new AllocationBound(64 * 1024, 4000))
{
    private const ushort Id = 0x1234;
    private static readonly DnsKey s_usual = new("example.org", DnsRecordType.Txt);

    public override IReadOnlyList<byte[]> Samples { get; } = DnsSamples.All(Id);

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        [0xc0, 0x0c], [0xc0, 0x00], [0xff, 0xff], [3, (byte)'w', (byte)'w', (byte)'w'], [0], [0x40], [63], [0, 1, 0, 1], [0, 5, 0, 1],
            [0, 6, 0, 1], [0, 16, 0, 1],
        [0, 0, 14, 16], [0x80, 0, 0, 0], [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1],
    ];

    // Without its id and the bit of an answer a message is refused at once.
    public override void Shape(byte[] input, Random random)
    {
        if (input.Length > 2 && random.Next(32) > 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(input, Id);
            input[2] = (byte)((input[2] & 0x07) | 0x80);
        }
    }

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var key = KeyOf(input);
        var answers = meter.Run(() => DnsWire.Answers(input, Id, key));
        var expected = PlainDnsReader.Answers(input, Id, key);
        Check.Same(expected.ToString(), answers.ToString(), "whether the message answers the question");
        if (!answers)
        {
            return Outcome.Rejected("no answer");
        }

        var plain = PlainDnsReader.Describe(input, key);
        string read;
        try
        {
            var reply = meter.Run(() => DnsWire.Read(input, key));
            read = PlainDnsReader.Describe(reply.Answer, reply.TimeToLive);
        }
        catch (DnsFormatException refused)
        {
            Check.That(plain is null, $"{refused.Message}, and yet the plain reader has {plain}");
            return Outcome.Rejected(refused.Message);
        }

        Check.Same(plain ?? "(malformed)", read, "the answer");
        return Outcome.Accepted(read[..Math.Min(read.Length, 40)]);
    }

    // What the message itself says that it was asked for.
    private static DnsKey KeyOf(byte[] message)
    {
        var (name, type) = PlainDnsReader.Question(message);
        return DnsName.TryNormalize(name, out var normal)
            ? new DnsKey(normal, Enum.IsDefined((DnsRecordType)type) ? (DnsRecordType)type : DnsRecordType.A) : s_usual;
    }
}

/// <summary>Answers as servers send them.</summary>
internal static class DnsSamples
{
    public static IReadOnlyList<byte[]> All(ushort id) =>
    [
        Message(id, DnsRecordType.A, 0, [Record(1, 300, [192, 0, 2, 1]), Record(1, 60, [192, 0, 2, 2])], []),
        Message(id, DnsRecordType.Aaaa, 0,
            [Record(5, 20, [3, .. "www"u8, 0xc0, 0x0c]), [3, .. "www"u8, .. Record(28, 300, new byte[16])]], []),
        Message(id, DnsRecordType.Txt, 0, [Record(16, 300, [6, .. "v=spf1"u8, 5, .. " -all"u8]), Record(16, 300, [0])], []),
        Message(id, DnsRecordType.Mx, 0, [Record(15, 300, [0, 10, 2, .. "mx"u8, 0xc0, 0x0c]), Record(15, 300, [0, 20, 0])], []),
        Message(id, DnsRecordType.ReverseName, 0, [Record(12, 300, [4, .. "ma\\."u8, 0xc0, 0x0c])], []),
        Message(id, DnsRecordType.Tlsa, 0, [Record(52, 300, [3, 1, 1, 9, 9])], []),
        Message(id, DnsRecordType.A, 3, [], [Start]),
        Message(id, DnsRecordType.A, 3, [Record(1, 300, [127, 0, 0, 2])], [Start]),
        Message(id, DnsRecordType.A, 0, [], [Record(2, 300, [2, .. "ns"u8, 0xc0, 0x0c])]),
        Message(id, DnsRecordType.A, 2, [], []),
    ];

    private static byte[] Start => Record(6, 900, [2, .. "ns"u8, 0xc0, 0x0c, 4, .. "mail"u8, 0xc0, 0x0c, .. new byte[16], 0, 0, 1, 44]);

    // With the question's name as its owner.
    private static byte[] Record(byte type, int ttl, byte[] data) =>
        [0xc0, 0x0c, 0, type, 0, 1, 0, 0, (byte)(ttl >> 8), (byte)ttl, 0, (byte)data.Length, .. data];

    private static byte[] Message(ushort id, DnsRecordType type, byte code, byte[][] answers, byte[][] authority)
    {
        var message = DnsWire.Question(id, new DnsKey("example.org", type), edns: false);
        message[2] |= 0x80;
        message[3] |= (byte)(0x80 | code);
        message[7] = (byte)answers.Length;
        message[9] = (byte)authority.Length;
        return [.. message, .. answers.SelectMany(static one => one), .. authority.SelectMany(static one => one)];
    }
}
