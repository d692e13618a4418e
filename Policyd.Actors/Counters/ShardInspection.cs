using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// What an operator asks about the counters of a cluster: where shards and keys live, and what is on its way to other nodes. Every question
/// has a time-out; without an answer this node tells what it knows itself. Apart from <see cref="CounterService"/>, so that a server that
/// is alone never loads what a cluster needs.
/// </summary>
internal sealed class ShardInspection(ActorSystem system, CounterNode node)
{
    /// <summary>How many keys this node has in memory.</summary>
    public int KeysInMemory => node.Owners.Count;

    private string Here => Cluster.Get(system).SelfAddress.ToString();

    private IActorRef Region => ClusterSharding.Get(system).ShardRegion(CounterShards.RegionName);

    /// <summary>The shards of all nodes, or, where their coordinator does not answer, of this one.</summary>
    public async Task<ShardsSeen> ShardsAsync(TimeSpan timeout)
    {
        if (await AskAsync<ClusterShardingStats>(Region, new GetClusterShardingStats(timeout), timeout).ConfigureAwait(false)
            is { Regions.Count: > 0 } all)
        {
            return new ShardsSeen(
                [.. all.Regions.SelectMany(one => Of(one.Value, one.Key.HasGlobalScope ? one.Key.ToString() : Here))],
                all.Regions.Values.All(static one => one.Failed.Count == 0));
        }

        var own = await AskAsync<ShardRegionStats>(Region, GetShardRegionStats.Instance, timeout).ConfigureAwait(false);
        return new ShardsSeen(own is null ? [] : [.. Of(own, Here)], IsWhole: false);
    }

    /// <summary>Where the owner of a key is.</summary>
    public async Task<KeyPlace> PlaceAsync(CounterKey asked, TimeSpan timeout)
    {
        var key = node.Normalize(asked);
        var partition = CounterPartition.Of(key, node.Settings.Shards);
        if (node.Partitions.Of(key, node.Settings.Shards) is not null)
        {
            return new KeyPlace(key.Key, partition, Here, node.Owners.Find(key) is not null);
        }

        var found = new TaskCompletionSource<(IActorRef? Post, bool? IsInMemory)>(TaskCreationOptions.RunContinuationsAsynchronously);
        system.ActorOf(KeyFinderActor.Props(Region, key, partition, node.Settings.AskAgainAfter, timeout, found));
        var (post, isInMemory) = await found.Task.ConfigureAwait(false);
        return new KeyPlace(
            key.Key, partition, post is null ? null : post.Path.Address.HasGlobalScope ? post.Path.Address.ToString() : Here, isInMemory);
    }

    /// <summary>The adds that wait for other nodes; null when this was not known in time.</summary>
    public async Task<WaitingAdds?> WaitingAddsAsync(TimeSpan timeout) =>
        await AskAsync<CounterPostProtocol.AddsCounted>(node.Post, CounterPostProtocol.CountWaitingAdds.Instance, timeout)
            .ConfigureAwait(false) is { } told ? new WaitingAdds(told.Count, told.OnDisk) : null;

    private static IEnumerable<ShardSeen> Of(ShardRegionStats stats, string address) =>
        stats.Stats.Select(one => new ShardSeen(CounterShards.RegionName, one.Key, one.Value, address));

    private static async Task<T?> AskAsync<T>(IActorRef actor, object question, TimeSpan timeout)
        where T : class
    {
        try
        {
            return await actor.Ask<T>(question, timeout).ConfigureAwait(false);
        }
        catch (Exception late) when (late is not OutOfMemoryException)
        {
            // No answer in time, or one that tells of a failure: a node that was asked in turn may be gone.
            return null;
        }
    }
}

/// <summary>The adds that no other node has acknowledged yet.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="OnDisk">How many of them are in the outbox on the disk.</param>
public sealed record WaitingAdds(int Count, int OnDisk);

/// <summary>The shards as they were told.</summary>
/// <param name="Shards">Each with its node.</param>
/// <param name="IsWhole">Whether all nodes have answered.</param>
public sealed record ShardsSeen(IReadOnlyList<ShardSeen> Shards, bool IsWhole);

/// <summary>A shard.</summary>
/// <param name="Region">The kind of its entities.</param>
/// <param name="Shard">Its name.</param>
/// <param name="Entities">How many partitions of the keys it has.</param>
/// <param name="Node">The address of its node.</param>
public sealed record ShardSeen(string Region, string Shard, int Entities, string Node);

/// <summary>Where the owner of a key is.</summary>
/// <param name="Key">The key, as its table holds it.</param>
/// <param name="Partition">The partition of the key.</param>
/// <param name="Node">The address of the partition's node; null when nobody has told it in time.</param>
/// <param name="IsInMemory">Whether the key is in memory there; null when that was not told.</param>
public sealed record KeyPlace(string Key, int Partition, string? Node, bool? IsInMemory);
