using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Protocol;

namespace Policyd.Fuzz.Targets;

/// <summary>The text of an action, whatever went into it: made safe, judged, and sent.</summary>
internal sealed class ActionTarget() : FuzzTarget(
    "action",
    "a sanitized action stays as it is when sanitized again, fits the wire, and is read back from the bytes of its reply",
    new AllocationBound(256 * 1024, 64))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "reject go away", "dunno", "PREPEND X-Score: 5.5", "451 4.7.1 try again", "reject_unknown_client, permit",
            "FILTER smtp:[192.0.2.1]:25",
        "check_client_access hash:/x", "REDIRECT user@example.org", "rejct misspelled", "550", new string('ü', 300));

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "reject defer dunno 450 550 421 PREPEND FILTER REDIRECT BCC sleep permit check_policy_service DEFER_IF_PERMIT", " ", "\t", ",",
            ":", "\n", "\r\n", "\u0085", "\ufffd", "\ud83d\ude00", "\u00ad");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        // As UTF-16, too: a plugin may have cut a text within a pair of surrogates.
        var text = input.Length % 2 == 0 && input is [_, >= 0xd8, ..] ? Encoding.Unicode.GetString(input) : Encoding.UTF8.GetString(input);
        var (safe, verdict, problem) = meter.Run(() =>
            (ActionGrammar.Sanitize(text), ActionGrammar.Default.Judge(text, out var found), found));
        Check.That((problem is null) == (verdict == ActionVerdict.Fits), "a problem is told when and only when the action does not fit");
        Check.Same(safe, ActionGrammar.Sanitize(safe), "a sanitized action that is sanitized again");
        Check.That(Encoding.UTF8.GetByteCount(safe) <= ActionGrammar.MaxTextBytes, "a sanitized action is longer than it may be");
        Check.That(!safe.Any(char.IsControl), "a sanitized action holds a control character");
        if (verdict == ActionVerdict.Fits && Encoding.UTF8.GetByteCount(text) <= ActionGrammar.MaxTextBytes)
        {
            Check.Same(text.TrimEnd(), safe.TrimEnd(), "an action that fits, sanitized");
        }

        if (safe.Length > 0)
        {
            Check.That(PolicyReply.TryRead(meter.Run(() => PolicyReply.Encode(safe)), out var back, out _), "the reply is unfinished");
            Check.Same(safe, back ?? "(none)", "the action that was sent");
        }

        return verdict == ActionVerdict.Fits ? Outcome.Accepted(ActionGrammar.KindOf(text).ToString()) : Outcome.Rejected(problem ?? "");
    }
}
