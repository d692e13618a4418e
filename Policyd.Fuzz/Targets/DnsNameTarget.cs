using System.Text;
using Policyd.Backends.Dns;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Dns;

namespace Policyd.Fuzz.Targets;

/// <summary>Names that strangers give, before they are asked for.</summary>
internal sealed class DnsNameTarget() : FuzzTarget(
    "dns-name",
    "a name is what a plain reader of zone files makes of it, and comes back from its bytes in a question",
    new AllocationBound(32 * 1024, 100))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "example.org", "Example.ORG.", "_spf.a-b.example", "a\\.b.c", "\\000\\255.x", "x\\032y.z", "4.3.2.1.in-addr.arpa",
        string.Join('.', Enumerable.Repeat(new string('a', 62), 4)), new string('x', 63) + ".y");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        ". .. \\ \\. \\\\ \\255 \\256 \\1 \\046 \\092 \\065 A Z *", " ", "\0", "\u00e4", "\u212a", "\u007f");

    public override int LongestInput => 1200;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        CheckBytes(Encoding.Latin1.GetString(input), meter);
        var normal = meter.Run(() => DnsName.TryNormalize(text, out var found) ? found : null);
        var labels = PlainDnsName.Labels(text);
        Check.Same(labels is null ? "(no name)" : PlainDnsName.Text(labels), normal ?? "(no name)", "the normal name");
        if (normal is null)
        {
            return Outcome.Rejected("no name");
        }

        Check.That(DnsName.TryNormalize(normal, out var again), "a normal name is refused");
        Check.Same(normal, again, "a normal name, normalized");
        CheckQuestion(normal, labels!);
        var zone = meter.Run(() => DnsName.ZoneOf(normal));
        Check.That(normal.EndsWith(zone, StringComparison.Ordinal), "the zone is not the name's end");
        return Outcome.Accepted($"{Math.Min(4, labels!.Count)} labels, escaped: {normal.Contains('\\', StringComparison.Ordinal)}");
    }

    private static void CheckQuestion(string name, List<byte[]> labels)
    {
        byte[] expected = [.. labels.SelectMany(static label => label.Prepend((byte)label.Length)), 0];
        var question = DnsWire.Question(7, new DnsKey(name, DnsRecordType.A), edns: true);
        Check.Same(expected, question.AsSpan(12, expected.Length), "the name in a question");
        Check.Same(name, PlainDnsReader.Question(question).Name, "the name of a question");
        Check.Same(Encoding.Latin1.GetString([.. labels.SelectMany(static label => label.Prepend((byte)'.')).Skip(1)]),
            DnsName.ToBytes(name), "the name as bytes");
    }

    // Each character is a byte, and each dot ends a label.
    private static void CheckBytes(string text, Meter meter)
    {
        var normal = meter.Run(() => DnsName.TryOfBytes(text, out var found) ? found : null);
        var labels = text.Split('.').Select(Encoding.Latin1.GetBytes).ToList();
        var written = PlainDnsName.Text(labels);
        var expected = PlainDnsName.Labels(written) is { } read ? PlainDnsName.Text(read) : "(no name)";
        Check.Same(expected, normal ?? "(no name)", "the name of bytes");
    }
}
