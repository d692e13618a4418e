using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Fuzz.Harness;
using Policyd.Server.Admin;

namespace Policyd.Fuzz.Targets;

/// <summary>The lines of the admin endpoint, and the requests on them.</summary>
internal sealed class AdminTarget() : FuzzTarget(
    "admin",
    "lines are those of the text split at its line feeds, in any cut; a request has only declared errors, and is read again from its own "
        + "line",
    new AllocationBound(128 * 1024, 400))
{
    private const int Longest = 300;
    private static readonly string[] s_known = ["table", "key", "limit"];

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        """{"command":"counter.get","arguments":{"table":"acct","key":"user@example.org","limit":10}}"""
            + "\n{\"command\":\"cron.list\"}\n",
        "{\"ok\":true,\"result\":{\"a\":[1,2]}}\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        new string('x', Longest + 5) + "\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "{ } [ ] : , \" \"command\": \"arguments\": \"limit\": \"key\" null true -1 1.5 9223372036854775807 9223372036854775808 1e3 "
            + "\\ud800 \\u0000", "\n", "\r\n", "\0", "\ufeff");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var lines = meter.Run(() => Lines(input));
        Check.Same(Plain(input), Described(lines), "the lines");

        // As in a connection: after a line that is refused no other is read.
        var accepted = lines.TakeWhile(line => line.Status == LineStatus.Line && CheckRequest(line.Bytes, meter)).Count();
        return accepted > 0 ? Outcome.Accepted($"{Math.Min(3, accepted)} objects, {lines[^1].Status}")
            : Outcome.Rejected($"{Math.Min(3, lines.Count)} lines, {lines[^1].Status}");
    }

    private static List<(LineStatus Status, byte[] Bytes)> Lines(byte[] input)
    {
        using var stream = new PieceStream(Texts.Pieces(input));
        var reader = new LineReader(stream, Longest);
        var lines = new List<(LineStatus Status, byte[] Bytes)>();
        do
        {
            var (status, line) = reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
            lines.Add((status, line.ToArray()));
        }
        while (lines[^1].Status == LineStatus.Line);
        return lines;
    }

    private static string Described(IEnumerable<(LineStatus Status, byte[] Bytes)> lines) =>
        string.Join('\n', lines.Select(static line => $"{line.Status} {Encoding.Latin1.GetString(line.Bytes)}"));

    private static string Plain(byte[] input)
    {
        var described = new List<string>();
        var lines = Encoding.Latin1.GetString(input).Split('\n');
        foreach (var line in lines.SkipLast(1).TakeWhile(static line => line.Length <= Longest))
        {
            described.Add($"{LineStatus.Line} {line}");
        }

        var next = lines[described.Count];
        described.Add($"{(next.Length > Longest ? LineStatus.TooLong : next.Length > 0 ? LineStatus.Cut : LineStatus.End)} ");
        return string.Join('\n', described);
    }

    private static bool CheckRequest(byte[] line, Meter meter)
    {
        try
        {
            using var document = meter.Run(() => AdminMessage.Read(line));
            CheckArguments(new AdminArguments(document.RootElement), document.RootElement);
            var again = AdminMessage.Request("x", JsonObject.Create(document.RootElement.Clone())!);
            using var second = AdminMessage.Read(again[..^1]);
            Check.That(
                JsonElement.DeepEquals(document.RootElement, second.RootElement.GetProperty("arguments"))
                    && again.Span.Count((byte)'\n') == 1,
                "a request is not the same when it is written and read again");
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
        catch (ArgumentException duplicate) when (duplicate.Message.Contains("same key", StringComparison.Ordinal))
        {
            // JsonObject, which this check makes of it, does not hold a name twice.
            return true;
        }
        catch (ArgumentOutOfRangeException large) when (large.ParamName == "exponent")
        {
            // DeepEquals does not compare numbers such as 1e8547758082.
            return true;
        }
    }

    private static void CheckArguments(AdminArguments arguments, JsonElement plain)
    {
        try
        {
            arguments.AllowOnly(s_known);
            var (key, limit) = (arguments.Text("key"), arguments.Number("limit", 1000));
            var isText = plain.TryGetProperty("key", out var value) && value.ValueKind == JsonValueKind.String;
            Check.Same(isText ? value.GetString()! : "(none)", key ?? "(none)", "a text argument");
            Check.That(limit is null or (>= 0 and <= 1000), "a number argument is out of its range");
        }
        catch (AdminException refused)
        {
            Check.That(refused.Code == AdminError.BadRequest, "wrong arguments have another error");
        }
    }

    /// <summary>A stream that gives one piece for each read.</summary>
    private sealed class PieceStream(IEnumerable<byte[]> pieces) : MemoryStream
    {
        private readonly Queue<byte[]> _pieces = new(pieces);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!_pieces.TryPeek(out var piece))
            {
                return new(0);
            }

            var length = Math.Min(piece.Length, buffer.Length);
            piece.AsMemory(0, length).CopyTo(buffer);
            _pieces.Dequeue();
            if (length < piece.Length)
            {
                byte[][] rest = [piece[length..], .. _pieces];
                _pieces.Clear();
                Array.ForEach(rest, _pieces.Enqueue);
            }

            return new(length);
        }
    }
}
