using System.Globalization;
using Akka.Cluster;

namespace Policyd.Actors.Clustering;

/// <summary>What a node is, in the words of docs/cluster-states.md.</summary>
public enum NodeState
{
    /// <summary>It is no member, and looks for the others.</summary>
    Looking,

    /// <summary>It has found nobody, and is about to form a cluster.</summary>
    Forming,

    /// <summary>It has asked to be taken in.</summary>
    Joining,

    /// <summary>It is a member, and counts.</summary>
    Member,

    /// <summary>It is a member that does not reach half of the others: its counters are unavailable.</summary>
    CutOff,

    /// <summary>It hands over its keys and leaves.</summary>
    Leaving,

    /// <summary>It is no member any more, and begins anew.</summary>
    Ending,
}

/// <summary>How a node's state follows from what Akka and this node's own membership say.</summary>
internal static class NodeStates
{
    /// <param name="membership">What the node does about its membership; null where only Akka's settings make it a member.</param>
    /// <param name="status">Akka's word on this node; null when it is no member.</param>
    /// <param name="hasQuorum">Whether at least half of the members are reached.</param>
    public static NodeState Of(MembershipState? membership, MemberStatus? status, bool hasQuorum) => (membership, status) switch
    {
        (MembershipState.Ended, _) or (_, MemberStatus.Down or MemberStatus.Removed) => NodeState.Ending,
        (_, MemberStatus.Leaving or MemberStatus.Exiting) => NodeState.Leaving,
        (MembershipState.Looking, _) => NodeState.Looking,
        (MembershipState.TakingLease or MembershipState.Forming, _) => NodeState.Forming,
        (MembershipState.Joining, _) or (null, MemberStatus.Joining or MemberStatus.WeaklyUp) => NodeState.Joining,
        (null, null) => NodeState.Looking,
        _ => hasQuorum ? NodeState.Member : NodeState.CutOff,
    };

    /// <summary>Why a node is no member yet, as far as it knows; null when there is nothing to tell.</summary>
    public static string? NoteOf(NodeState state, MembershipEvent? last) => (state, last) switch
    {
        (NodeState.Looking, MembershipEvent.Pauses pauses) =>
            string.Create(CultureInfo.InvariantCulture, $"its lives before were short: it waits {pauses.Time.TotalSeconds:0.#} s"),
        (NodeState.Looking or NodeState.Forming or NodeState.Joining, MembershipEvent.CannotLook away) =>
            $"the members cannot be read from the database: {away.Reason}",
        (NodeState.Looking or NodeState.Forming or NodeState.Joining, MembershipEvent.NobodyAnswers) => "nobody has taken this node in",
        (NodeState.Looking or NodeState.Forming or NodeState.Joining, MembershipEvent.AddressIsTaken taken) =>
            $"another node that lives has its address, {taken.Address}",
        (NodeState.Joining, MembershipEvent.Joins joins) => $"asks {string.Join(", ", joins.Addresses)} to take this node in",
        _ => null,
    };
}
