namespace Policyd.Protocol;

/// <summary>
/// Several plugins of a chain may each have something to say, and Postfix obeys one action only. The most restrictive one wins, the
/// first among equals; a header never hides a refusal. From strong to weak:
/// <list type="number">
/// <item>REJECT, 5NN: refused for good;</item>
/// <item>DEFER, 4NN: refused for now;</item>
/// <item>DEFER_IF_PERMIT: refused for now, unless something later refuses for good;</item>
/// <item>DISCARD: below what defers, since a deferred mail comes again and a discarded one is lost;</item>
/// <item>HOLD, REDIRECT, FILTER: taken, but not delivered as the client wants;</item>
/// <item>names of restrictions: they may refuse (a list that begins with <c>reject</c> or <c>defer</c> does, and ranks there);</item>
/// <item>DEFER_IF_REJECT: refuses nothing by itself, but without it a later refusal would be for good and the mail lost;</item>
/// <item>BCC, PREPEND, WARN, INFO: the mail passes, and something is done for it;</item>
/// <item>OK, RELAY, <c>permit</c>: below PREPEND, since the mail passes there as well and only the header would be lost;</item>
/// <item>DUNNO, and an empty text.</item>
/// </list>
/// </summary>
public static class ActionPrecedence
{
    private const int Good = 0;
    private const int ForNow = 1;
    private const int Permit = 14;
    private const int Nothing = 15;

    /// <summary>The one action to send for what the plugins said; <c>dunno</c> when none said anything.</summary>
    public static string Merge(IReadOnlyList<string> actions)
    {
        ArgumentNullException.ThrowIfNull(actions);
        var best = "dunno";
        var bestRank = Nothing;
        foreach (var action in actions)
        {
            var rank = Rank(action);
            if (rank < bestRank)
            {
                best = action;
                bestRank = rank;
            }
        }

        return best;
    }

    private static int Rank(string action) => ActionGrammar.KindOf(action) switch
    {
        ActionKind.Reject => Good,
        ActionKind.ReplyCode => action[0] == '5' ? Good : ForNow,
        ActionKind.Defer => ForNow,
        ActionKind.DeferIfPermit => 2,
        ActionKind.Discard => 3,
        ActionKind.Hold => 4,
        ActionKind.Redirect => 5,
        ActionKind.Filter => 6,
        ActionKind.Restriction => RankOfList(action),
        ActionKind.DeferIfReject => 8,
        ActionKind.Bcc => 9,
        ActionKind.Prepend => 10,
        ActionKind.Warn => 11,
        ActionKind.Info => 12,
        ActionKind.Ok or ActionKind.Relay => Permit,
        _ => Nothing,
    };

    /// <summary>Postfix goes through a list from its beginning, so only what stands first is sure to happen.</summary>
    private static int RankOfList(ReadOnlySpan<char> list)
    {
        list = list.Trim(" \t,");
        var end = list.IndexOfAny(" \t,");
        var first = end < 0 ? list : list[..end];
        return first.IsEmpty ? Nothing
            : first.Equals("reject", StringComparison.OrdinalIgnoreCase) ? Good
            : first.Equals("defer", StringComparison.OrdinalIgnoreCase) ? ForNow
            : first.Equals("permit", StringComparison.OrdinalIgnoreCase) ? Permit
            : 7;
    }
}
