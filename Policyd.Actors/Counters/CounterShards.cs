using System.Globalization;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Network;

namespace Policyd.Actors.Counters;

/// <summary>
/// The partitions of a cluster: entities of one shard region, so that a key has one owner in all of it. Apart from
/// <see cref="CounterService"/>, so that a server that is alone never loads what a cluster needs.
/// </summary>
internal static class CounterShards
{
    /// <summary>The shard region of the partitions.</summary>
    public const string RegionName = "counters";

    /// <summary>
    /// The shard region, and the post beside it. To be started before the node joins: a member is asked at once to store where shards are,
    /// and the others wait for it.
    /// </summary>
    public static async Task StartAsync(ActorSystem system, CounterNode node, ILogger logger)
    {
        var sharding = ClusterSharding.Get(system);
        var settings = ClusterShardingSettings.Create(system);
        var region = await sharding.StartAsync(
            RegionName,
            number => CounterPartitionActor.Props(node, int.Parse(number, CultureInfo.InvariantCulture)),
            settings,
            new Partitions(node.Settings.Shards),
            sharding.DefaultShardAllocationStrategy(settings),
            CounterProtocol.HandOver.Instance).ConfigureAwait(false);
        var transport = system.Settings.Setup.Get<NodeTransportSetup>();
        var direct = transport.HasValue ? transport.Value.Direct : null;
        node.Post = system.ActorOf(CounterPostActor.Props(node, region, logger, direct), CounterPostActor.NameOf(direct));
    }

    /// <summary>A partition is a shard with one entity.</summary>
    private sealed class Partitions(int count) : HashCodeMessageExtractor(count)
    {
        // A number that is no partition's is another node's mistake: its message is left out, and Akka says so.
        public override string? EntityId(object message) =>
            message is CounterPostProtocol.FindPartition { Number: >= 0 and var number } && number < MaxNumberOfShards
                ? number.ToString(CultureInfo.InvariantCulture)
                : null;
    }
}
