using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Protocol;

namespace Policyd.Fuzz.Targets;

/// <summary>A policy server's reply, as the client and the Proxy module read it.</summary>
internal sealed class ReplyTarget() : FuzzTarget(
    "reply",
    "the action is that of a reader that splits text into lines; no shorter part of the reply is a whole one",
    new AllocationBound(16 * 1024, 8))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "action=dunno\n\n",
        "action=reject go away\naction=ok\n\naction=second\n\n",
        "\n",
        "other=x\naction=PREPEND X-Header: grüße\n\n",
        "action=defer_if_permit Service is unavailable\r\n\r\n\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "action= Action= action reject dunno =", "\n\n", "\n", "\r\n", "\r", "\0");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var (isWhole, action, consumed) = meter.Run(() => (PolicyReply.TryRead(input, out var found, out var taken), found, taken));
        Check.Same(Plain(input), $"{isWhole} {consumed} {action ?? "(none)"}", "the reply");
        for (var length = 0; isWhole && length < consumed; length++)
        {
            Check.That(!PolicyReply.TryRead(input.AsSpan(0, length), out _, out _), $"the first {length} bytes are a whole reply already");
        }

        return isWhole ? Outcome.Accepted(action is null ? "no action" : "an action") : Outcome.Rejected("unfinished");
    }

    private static string Plain(byte[] input)
    {
        var text = Encoding.Latin1.GetString(input);
        if (text.StartsWith('\n'))
        {
            return "True 1 (none)";
        }

        var end = text.IndexOf("\n\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return "False 0 (none)";
        }

        var lines = text[..end].Split('\n').Select(static line => line.EndsWith('\r') ? line[..^1] : line).TakeWhile(static line =>
            line.Length > 0);
        var action = lines.FirstOrDefault(static line => line.StartsWith("action=", StringComparison.Ordinal))?["action=".Length..];
        return $"True {end + 2} {(action is null ? "(none)" : Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(action)))}";
    }
}
