using System.Runtime.CompilerServices;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Counters;
using Policyd.Actors.Inspection;
using Policyd.Actors.Network;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Engine.Clustering;
using Policyd.Engine.Model;

namespace Policyd.Actors.Server;

/// <summary>
/// What a server does to be a node of a cluster. Apart, and never compiled into its callers, so that one that is alone loads nothing of
/// what a cluster needs.
/// </summary>
internal static class ClusterStart
{
    /// <summary>This life of the node, before anything counts.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ClusterNode Node(ActorSystem system, ClusterOptions options, IEnumerable<ICounterStore> stores) =>
        new(system, [.. stores.OfType<IMemberFences>()], options.FailureAfter);

    /// <summary>Begins to look for the other members, or to join those that <c>akka { }</c> names.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ClusterInspection Begin(
        ActorSystem system, PolicyServerModel model, ClusterNode? node, CounterService? counters, ILogger logger)
    {
        if (node is null)
        {
            _ = ClusterMembership.JoinAsync(system);
        }
        else
        {
            var seeds = model.Options.Cluster!.Seeds.Select(static seed => seed.ToString());
            node.Begin(
                system,
                model.ClusterDirectory(),
                new MembershipSettings { Seeds = [.. seeds], Pause = NodeLife.Current.Pause },
                why => UnexpectedEnd.LeaveCluster(system, logger, why),
                logger);
        }

        return new ClusterInspection(system, node, counters);
    }
}
