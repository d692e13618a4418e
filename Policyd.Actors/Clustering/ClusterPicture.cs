using Akka.Cluster;

namespace Policyd.Actors.Clustering;

/// <summary>The cluster as this node knows it at one moment, for an operator.</summary>
/// <param name="Self">This node's address, as Akka writes it.</param>
/// <param name="Members">All members, in the order of their addresses.</param>
/// <param name="Leader">The address of the member that lets others in; null when this node knows of none.</param>
/// <param name="Oldest">The address of the member that runs what runs once in a cluster; null when there is none.</param>
public sealed record ClusterPicture(string Self, IReadOnlyList<ClusterMember> Members, string? Leader, string? Oldest)
{
    // Akka has a role for each data center; there are none here.
    private const string DataCenterRole = "dc-";

    /// <summary>How many members count for the quorum: those that are not down.</summary>
    public int Counted => Members.Count(static one => one.Counts);

    /// <summary>How many of these this node reaches, itself among them.</summary>
    public int Reached => Members.Count(static one => one.Counts && one.IsReachable);

    /// <summary>This node as a member; null when it is none.</summary>
    public ClusterMember? Own => Members.FirstOrDefault(one => one.Address == Self);

    /// <summary>What Akka knows now. Asks nobody.</summary>
    internal static ClusterPicture Of(Cluster cluster)
    {
        var state = cluster.State;
        var oldest = state.Members.Where(static one => one.Status is MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Exiting)
            .OrderBy(static one => one, Comparer<Member>.Create(static (a, b) => a.IsOlderThan(b) ? -1 : b.IsOlderThan(a) ? 1 : 0))
            .FirstOrDefault();
        return new ClusterPicture(
            cluster.SelfAddress.ToString(),
            [
                .. state.Members.Select(one => Of(one, !state.Unreachable.Contains(one)))
                    .OrderBy(static one => one.Address, StringComparer.Ordinal),
            ],
            state.Leader?.ToString(),
            oldest?.Address.ToString());
    }

    /// <summary>The member that an operator means: by Akka's address, by <c>HOST:PORT</c>, or by its name in the database.</summary>
    public ClusterMember? Find(string text) => Members.FirstOrDefault(
        one => new[] { one.Address, one.HostAndPort, one.Name }.Contains(text, StringComparer.OrdinalIgnoreCase));

    private static ClusterMember Of(Member member, bool isReachable) => new(
        member.Address.ToString(),
        MemberName.HostAndPort(member.Address),
        MemberName.Of(member.UniqueAddress),
        [.. member.Roles.Where(static role => !role.StartsWith(DataCenterRole, StringComparison.Ordinal)).Order(StringComparer.Ordinal)],
        member.Status.ToString().ToLowerInvariant(),
        isReachable,
        member.AppVersion.Version);
}

/// <summary>A member of the cluster.</summary>
/// <param name="Address">As Akka writes it: <c>akka.tcp://policyd@HOST:PORT</c>.</param>
/// <param name="HostAndPort">Where it is reached.</param>
/// <param name="Name">Its name in the database, of this one life.</param>
/// <param name="Roles">Its roles.</param>
/// <param name="Status">Akka's word: joining, weaklyup, up, leaving, exiting, down.</param>
/// <param name="IsReachable">Whether all others reach it, as far as this node knows.</param>
/// <param name="AppVersion">The version of its server.</param>
public sealed record ClusterMember(
    string Address, string HostAndPort, string Name, IReadOnlyList<string> Roles, string Status, bool IsReachable, string AppVersion)
{
    /// <summary>Whether it counts for the quorum.</summary>
    public bool Counts => Status is not ("down" or "removed");
}
