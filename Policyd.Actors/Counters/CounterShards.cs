using Akka.Actor;
using Akka.Cluster.Sharding;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The owners of a cluster: entities of one shard region, so that a key has one owner in all of it. Apart from
/// <see cref="CounterService"/>, so that a server that is alone never loads what a cluster needs.
/// </summary>
internal static class CounterShards
{
    private const string RegionName = "counters";
    private static readonly Passivate s_passivate = new(CounterProtocol.Drain.Instance);

    /// <summary>Tells whether this node has ever had another beside it.</summary>
    public static Func<bool> SeeOthers(ActorSystem system)
    {
        var others = new OtherNodes(system);
        return () => others.Seen;
    }

    /// <summary>What an owner tells its shard when it would end.</summary>
    public static object Passivation(CounterKey _) => s_passivate;

    /// <summary>
    /// The shard region. To be started before the node joins: a member is asked at once to store where shards are, and the others wait for
    /// it.
    /// </summary>
    public static async Task<IActorRef> StartAsync(ActorSystem system, CounterNode node)
    {
        var sharding = ClusterSharding.Get(system);
        var settings = ClusterShardingSettings.Create(system);
        var owner = CounterActor.Props(node);
        return await sharding.StartAsync(
            RegionName,
            _ => owner,
            settings,
            new CounterMessageExtractor(node.Settings.Shards),
            sharding.DefaultShardAllocationStrategy(settings),
            CounterProtocol.Drain.Instance).ConfigureAwait(false);
    }
}
