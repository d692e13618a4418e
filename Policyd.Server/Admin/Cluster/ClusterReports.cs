// What the cluster commands answer. The names are the JSON's, which scripts read: they may become more, never others.

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Policyd.Actors.Clustering;
using Policyd.Actors.Counters;
using Policyd.Actors.Inspection;

namespace Policyd.Server.Admin.Cluster;

/// <summary>A member of the cluster.</summary>
internal sealed record MemberReport(
    string Address, IReadOnlyList<string> Roles, string Status, bool Reachable, string AppVersion)
{
    public static MemberReport Of(ClusterMember member) =>
        new(member.Address, member.Roles, member.Status, member.IsReachable, member.AppVersion);
}

/// <summary>The answer to <c>cluster.show</c>.</summary>
internal sealed record ShowReport(IReadOnlyList<MemberReport> Members, int Count)
{
    public static ShowReport Of(ClusterPicture picture) => new([.. picture.Members.Select(MemberReport.Of)], picture.Members.Count);
}

/// <summary>A lease in the common database, and the member that has it.</summary>
internal sealed record LeaseReport(string Name, string? Owner);

/// <summary>Mails that were answered and wait for the database of a connection, and how many of them are in the spool.</summary>
internal sealed record WaitingReport(string Connection, long Mails, long Spooled);

/// <summary>The adds that no other node has acknowledged yet, and how many of them are on the disk.</summary>
internal sealed record OutboxReport(int Adds, int OnDisk);

/// <summary>The common database of the members.</summary>
/// <param name="Reachable">Whether it answers.</param>
/// <param name="Reason">Why it does not.</param>
internal sealed record DatabaseReport(bool Reachable, string? Reason);

/// <summary>The answer to <c>cluster.status</c>.</summary>
/// <param name="Node">This node's address.</param>
/// <param name="State">looking, forming, joining, member, cut off, leaving or ending.</param>
/// <param name="Working">Whether it is a member whose counters answer, as far as the cluster is concerned.</param>
/// <param name="Note">Why it is no member yet.</param>
/// <param name="Leader">The member that lets others in.</param>
/// <param name="Oldest">The member that runs what runs once in the cluster.</param>
/// <param name="Quorum">Whether at least half of the members are reached.</param>
/// <param name="Reached">How many are.</param>
/// <param name="Members">How many there are.</param>
/// <param name="Fenced">Whether its commits are refused.</param>
/// <param name="FencedReason">Why.</param>
/// <param name="Leases">The leases in the common database.</param>
/// <param name="Outbox">The adds that wait for other nodes; null when that is not known.</param>
/// <param name="Deferred">What waits for the databases of the counters.</param>
/// <param name="KeysInMemory">How many keys this node has in memory; null when it does not count.</param>
/// <param name="Database">The common database; null where the members have none.</param>
internal sealed record StatusReport(
    string Node,
    string State,
    bool Working,
    string? Note,
    string? Leader,
    string? Oldest,
    bool Quorum,
    int Reached,
    int Members,
    bool Fenced,
    string? FencedReason,
    IReadOnlyList<LeaseReport> Leases,
    OutboxReport? Outbox,
    IReadOnlyList<WaitingReport> Deferred,
    int? KeysInMemory,
    DatabaseReport? Database)
{
    public static StatusReport Of(NodeStanding standing) => new(
        standing.Picture.Self,
        WordOf(standing.State),
        standing.IsWorking,
        standing.Note,
        standing.Picture.Leader,
        standing.Picture.Oldest,
        standing.HasQuorum,
        standing.Picture.Reached,
        standing.Picture.Counted,
        standing.FencedSince is not null,
        standing.FencedSince,
        [.. standing.Leases.Select(static one => new LeaseReport(one.Use, one.Owner))],
        standing.WaitingAdds is { } waiting ? new OutboxReport(waiting.Count, waiting.OnDisk) : null,
        [.. standing.Deferred.Select(static one => new WaitingReport(one.Connection, one.Counts.Mails, one.Counts.Spooled))],
        standing.KeysInMemory,
        standing.HasDatabase ? new DatabaseReport(standing.DatabaseFault is null, standing.DatabaseFault) : null);

    public static string WordOf(NodeState state) => state == NodeState.CutOff ? "cut off" : state.ToString().ToLowerInvariant();
}

/// <summary>A shard: a part of the keys that lives on one node.</summary>
internal sealed record ShardReport(string Region, string Shard, int Entities, string Node);

/// <summary>The answer to <c>cluster.shards</c>.</summary>
/// <param name="Complete">False when other nodes did not answer: then the shards are those of this node.</param>
/// <param name="Shards">The shards.</param>
internal sealed record ShardsReport(bool Complete, IReadOnlyList<ShardReport> Shards)
{
    public static ShardsReport Of(ShardsSeen seen) => new(
        seen.IsWhole,
        [
            .. seen.Shards.Select(static one => new ShardReport(one.Region, one.Shard, one.Entities, one.Node))
                .OrderBy(static one => one.Region, StringComparer.Ordinal)
                .ThenBy(static one => one.Shard.Length)
                .ThenBy(static one => one.Shard, StringComparer.Ordinal),
        ]);
}

/// <summary>The answer to <c>cluster.owner</c>.</summary>
/// <param name="Connection">The connection of the table.</param>
/// <param name="Table">The table.</param>
/// <param name="Key">The key, as the table holds it.</param>
/// <param name="Partition">The partition of the key.</param>
/// <param name="Node">The node of the partition; null when nobody has told it in time.</param>
/// <param name="InMemory">Whether the key is in memory there; null when that was not told.</param>
internal sealed record OwnerReport(string Connection, string Table, string Key, int Partition, string? Node, bool? InMemory);

/// <summary>The answer to <c>cluster.down</c>, <c>cluster.down-unreachable</c>, <c>cluster.join</c> and <c>cluster.leave</c>.</summary>
/// <param name="Nodes">The nodes that the command was carried out for.</param>
internal sealed record NodesReport(IReadOnlyList<string> Nodes);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ShowReport))]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(ShardsReport))]
[JsonSerializable(typeof(OwnerReport))]
[JsonSerializable(typeof(NodesReport))]
internal sealed partial class ClusterReports : JsonSerializerContext
{
    public static JsonNode ToNode<T>(T report, JsonTypeInfo<T> type) => JsonSerializer.SerializeToNode(report, type)!;
}
