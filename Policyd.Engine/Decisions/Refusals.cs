using Policyd.Protocol;

namespace Policyd.Engine.Decisions;

/// <summary>Which actions keep a mail from its recipient.</summary>
public static class Refusals
{
    /// <summary>Whether a kind of action rejects a mail, or defers it.</summary>
    /// <param name="kind">The kind.</param>
    public static bool Refuses(ActionKind kind) =>
        kind is ActionKind.Reject or ActionKind.Defer or ActionKind.DeferIfPermit or ActionKind.DeferIfReject or ActionKind.ReplyCode;

    /// <summary>Whether an action refuses a mail, or takes it and does not deliver it: <c>discard</c> and <c>hold</c>.</summary>
    /// <param name="action">The action.</param>
    public static bool Withholds(string action) =>
        ActionGrammar.KindOf(action) is var kind && (Refuses(kind) || kind is ActionKind.Discard or ActionKind.Hold);
}
