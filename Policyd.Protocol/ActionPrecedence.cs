namespace Policyd.Protocol;

/// <summary>
/// Several plugins of a chain may each have something to say, and Postfix obeys one action only. The most restrictive one wins, the
/// first among equals; a header never hides a reject. From strong to weak: a refusal for good (REJECT, 5NN), a refusal for
/// now (DEFER, 4NN, DEFER_IF_PERMIT, DEFER_IF_REJECT), DISCARD, HOLD, REDIRECT, FILTER, restriction names (they may refuse), BCC, PREPEND,
/// WARN, INFO, OK and RELAY, DUNNO. OK stands below PREPEND since both let the mail pass and only the header would be lost.
/// </summary>
public static class ActionPrecedence
{
    /// <summary>The one action to send for what the plugins said; <c>dunno</c> when none said anything.</summary>
    public static string Merge(IReadOnlyList<string> actions)
    {
        ArgumentNullException.ThrowIfNull(actions);
        var best = actions.Count == 0 ? "dunno" : actions[0];
        for (var index = 1; index < actions.Count; index++)
        {
            if (Rank(actions[index]) < Rank(best))
            {
                best = actions[index];
            }
        }

        return best;
    }

    private static int Rank(string action) => ActionGrammar.KindOf(action) switch
    {
        ActionKind.Reject => 0,
        ActionKind.ReplyCode => action[0] == '5' ? 0 : 1,
        ActionKind.Defer or ActionKind.DeferIfPermit or ActionKind.DeferIfReject => 1,
        ActionKind.Discard => 2,
        ActionKind.Hold => 3,
        ActionKind.Redirect => 4,
        ActionKind.Filter => 5,
        ActionKind.Restriction => 6,
        ActionKind.Bcc => 7,
        ActionKind.Prepend => 8,
        ActionKind.Warn => 9,
        ActionKind.Info => 10,
        ActionKind.Ok or ActionKind.Relay => 11,
        _ => 12,
    };
}
