using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;
using Policyd.Plugins.Addresses;
using Policyd.Protocol;

namespace Policyd.Engine.Following;

/// <summary>Which decisions somebody wants to hear of: those that have all that is given.</summary>
public sealed class DecisionFilter
{
    private AddressBlock? _client;

    /// <summary>The user who logged in, in any case; null: any, or none.</summary>
    public string? User { get; init; }

    /// <summary>The plugin that decided, or one that would have; null: any.</summary>
    public string? Rule { get; init; }

    /// <summary>
    /// The kind of action: its first word in any case. <c>reject</c> has the codes 5NN too, and <c>defer</c> 4NN and <c>defer_if_…</c>.
    /// <c>none</c>: no action, since the request failed. Null: any.
    /// </summary>
    public string? Action { get; init; }

    /// <summary>Only those whose client is in a network.</summary>
    /// <param name="network">An address, or an address and a prefix: <c>192.0.2.0/24</c>.</param>
    /// <returns>False when it is neither.</returns>
    public bool TrySetClient(string network)
    {
        var isOne = AddressBlock.TryParse(network, out var block);
        _client = isOne ? block : null;
        return isOne;
    }

    /// <summary>Whether a decision is one of these.</summary>
    /// <param name="record">The decision.</param>
    public bool Matches(RequestRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return (User is null || record.Request.SaslUsername.Equals(User, StringComparison.OrdinalIgnoreCase))
            && (_client is not { } block || (ClientAddress.Parse(record.Request.ClientAddress) is { } address && block.Contains(address)))
            && (Rule is null || record.Rule == Rule || IsObserved(record, Rule))
            && (Action is null || IsOf(record.Action, Action));
    }

    private static bool IsObserved(RequestRecord record, string plugin) =>
        record.Steps.Any(step => step.Outcome == StepOutcome.Observed && step.Plugin == plugin);

    private static bool IsOf(string? action, string kind)
    {
        if (action is null)
        {
            return kind.Equals("none", StringComparison.OrdinalIgnoreCase);
        }

        if (ActionGrammar.FirstWord(action).Equals(kind, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        return ActionGrammar.KindOf(action) switch
        {
            ActionKind.ReplyCode => kind.Equals(action[0] == '5' ? "reject" : "defer", StringComparison.OrdinalIgnoreCase),
            ActionKind.DeferIfPermit or ActionKind.DeferIfReject => kind.Equals("defer", StringComparison.OrdinalIgnoreCase),
            _ => false,
        };
    }
}
