using System.Globalization;
using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Protocol;

namespace Policyd.Fuzz.Targets;

/// <summary>The bytes of a connection: cut into requests, each read into its attributes.</summary>
internal sealed class RequestTarget() : FuzzTarget(
    "request",
    "any cut of the bytes gives the requests of a reader that splits text into lines; a request is read again from its own bytes",
    new AllocationBound(64 * 1024, 250))
{
    private static readonly RequestLimits s_limits = new() { MaxRequestBytes = 2048, MaxNameBytes = 32 };

    public override IReadOnlyList<byte[]> Samples => RequestSamples.All;

    public override IReadOnlyList<byte[]> Words => RequestSamples.Words;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var whole = Described(meter.Run(() => Read([input])));
        Check.Same(PlainRequestReader.Describe(input, s_limits), whole, "the whole bytes");
        var pieces = Texts.Pieces(input).ToArray();
        var cut = meter.Run(() => Read(pieces));
        Check.Same(whole, Described(cut), "the bytes in pieces");
        foreach (var request in cut.Requests)
        {
            CheckLookups(request);
        }

        return cut.Requests.Count > 0
            ? Outcome.Accepted($"{Math.Min(cut.Requests.Count, 4)} requests, {cut.Error?.Kind.ToString() ?? "no error"}")
            : Outcome.Rejected(cut.Error?.Kind.ToString() ?? "unfinished");
    }

    private static Connection Read(IEnumerable<byte[]> pieces)
    {
        var framer = new RequestFramer(s_limits);
        var requests = new List<PolicyRequest>();
        foreach (var piece in pieces)
        {
            framer.Append(piece);
            while (true)
            {
                var status = framer.TryTake(out var frame, out var error);
                if (status == FrameStatus.NeedMore)
                {
                    break;
                }

                if (status == FrameStatus.Malformed || !PolicyRequestReader.TryRead(frame, s_limits, out var request, out error))
                {
                    return new Connection(requests, error, false);
                }

                requests.Add(request);
            }
        }

        return new Connection(requests, null, framer.HasPartial);
    }

    private static string Described(Connection connection)
    {
        var text = new StringBuilder();
        foreach (var request in connection.Requests)
        {
            var attributes = request.Utf8Attributes;
            while (attributes.MoveNext())
            {
                PlainRequestReader.Append(text, Encoding.Latin1.GetString(attributes.Name), Encoding.Latin1.GetString(attributes.Value));
            }

            text.Append("end\n");
        }

        return text.Append(connection.Error is { } error ? error.Kind.ToString() : connection.IsPartial ? "partial" : "").ToString();
    }

    // The many ways to ask a request for the same value agree with each other.
    private static void CheckLookups(PolicyRequest request)
    {
        byte[] bytes = [.. request.Bytes.Span, (byte)'\n'];
        Check.That(PolicyRequestReader.TryRead(bytes, s_limits, out var again, out _), "a request's own bytes are refused");
        Check.Same(request.Bytes.Span, again.Bytes.Span, "the bytes of a request that was read from a request's bytes");
        var count = 0;
        foreach (var (name, value) in request.Attributes)
        {
            count++;
            if (!name.Contains('\ufffd', StringComparison.Ordinal))
            {
                Check.Same(value, request[name] ?? "(absent)", $"the value of {Check.Shown(name)}");
            }
        }

        Check.Same(count.ToString(CultureInfo.InvariantCulture), request.Count.ToString(CultureInfo.InvariantCulture),
            "the number of attributes");
        Check.That(request.Size >= 0 && request.RecipientCount >= 0 && request.EncryptionKeysize >= 0, "a number is negative");
    }

    private sealed record Connection(List<PolicyRequest> Requests, RequestError? Error, bool IsPartial);
}
