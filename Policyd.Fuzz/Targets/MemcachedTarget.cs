using System.Buffers;
using System.Globalization;
using System.Text;
using Policyd.Backends.Memcached;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Caches;

namespace Policyd.Fuzz.Targets;

/// <summary>The answers of memcached's meta protocol.</summary>
internal sealed class MemcachedTarget() : FuzzTarget(
    "memcached",
    "answers are those of a reader that splits text into lines, in any cut; a cut within one is no answer yet",
    new AllocationBound(64 * 1024, 400))
{
    private static readonly string[] s_codes = ["HD", "VA", "EN", "NF", "NS", "EX", "MN"];

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "HD O1\r\nVA 5 O2 t30\r\nhello\r\nEN\r\nNF O4\r\nMN\r\n",
        "VA 0 O1\r\n\r\nVA 7\r\na\r\nb\r\n\r\nEX O9\r\n",
        "SERVER_ERROR out of memory\r\n", "CLIENT_ERROR bad data chunk\r\n", "ERROR\r\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "HD VA EN NF NS EX MN O1 O4294967295 O4294967296 O VA\u00a05 t-1 1000000 1000001 ERROR SERVER_ERROR", "\r\n", "\n", "\r", " ",
            "\0", "HD\r\n", "VA 1\r\nx\r\n");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var expected = Plain(input);
        var whole = meter.Run(() => Read(new ReadOnlySequence<byte>(input)));
        Check.Same(expected, whole, "the answers");
        var pieces = Segments(Texts.Pieces(input).ToList());
        Check.Same(expected, meter.Run(() => Read(pieces)), "the answers in pieces");
        return expected.EndsWith("refused", StringComparison.Ordinal)
            ? Outcome.Rejected(expected.Contains('\n', StringComparison.Ordinal) ? "later" : "first") : Outcome.Accepted(expected);
    }

    private static string Read(ReadOnlySequence<byte> bytes)
    {
        var described = new StringBuilder();
        try
        {
            while (MemcachedWire.TryRead(ref bytes, out var reply))
            {
                Append(described, reply.Code, reply.Opaque, reply.Value is { } value ? Encoding.Latin1.GetString(value) : null);
            }
        }
        catch (CacheException)
        {
            return described.Append("refused").ToString();
        }

        return described.Append(CultureInfo.InvariantCulture, $"rest {bytes.Length}").ToString();
    }

    private static void Append(StringBuilder described, string code, uint? opaque, string? value) =>
        described.Append(CultureInfo.InvariantCulture,
            $"{code} {opaque?.ToString(CultureInfo.InvariantCulture) ?? "-"} {value ?? "(none)"}\n");

    private static string Plain(byte[] input)
    {
        var described = new StringBuilder();
        var text = Encoding.Latin1.GetString(input);
        while (true)
        {
            var end = text.IndexOf('\n', StringComparison.Ordinal);
            if (end < 0)
            {
                return described.Append(text.Length > 2048 ? "refused" : $"rest {text.Length}").ToString();
            }

            var words = text[..end].TrimEnd('\r').Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var isLine = end is > 0 and <= 2048 && text[end - 1] == '\r' && !text[..end].Contains('\0', StringComparison.Ordinal)
                && words.Length > 0 && s_codes.Contains(words[0]);
            var length = isLine && words[0] == "VA" ? Number(words.ElementAtOrDefault(1) ?? "", MemcachedWire.MaxValueBytes) : 0;
            if (!isLine || length is null)
            {
                return described.Append("refused").ToString();
            }

            var isValue = words[0] == "VA";
            var next = end + 1 + (isValue ? (int)length + 2 : 0);
            if (next > text.Length)
            {
                return described.Append(CultureInfo.InvariantCulture, $"rest {text.Length}").ToString();
            }

            var opaque = words.Skip(1).FirstOrDefault(static word => word[0] == 'O');
            var number = opaque is null ? null : Number(opaque[1..], uint.MaxValue);
            if ((isValue && text[(next - 2)..next] != "\r\n") || (opaque is not null && number is null))
            {
                return described.Append("refused").ToString();
            }

            Append(described, words[0], (uint?)number, isValue ? text[(end + 1)..(next - 2)] : null);
            text = text[next..];
        }
    }

    private static long? Number(string text, long most)
    {
        var digits = text.TrimStart('0');
        return text.Length > 0 && text.All(char.IsAsciiDigit) && digits.Length <= 12
            && (digits.Length == 0 ? 0 : long.Parse(digits, CultureInfo.InvariantCulture)) is var number && number <= most ? number : null;
    }

    private static ReadOnlySequence<byte> Segments(List<byte[]> pieces)
    {
        if (pieces.Count == 0)
        {
            return ReadOnlySequence<byte>.Empty;
        }

        var first = new Segment(pieces[0], null);
        var last = pieces.Skip(1).Aggregate(first, static (before, piece) => new Segment(piece, before));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, Segment? before)
        {
            Memory = bytes;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
