using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Policyd.Engine.Clustering;

namespace Policyd.Actors.Network;

/// <summary>A node's way into its cluster. Apart from the server, so that one that is alone never loads what a cluster needs.</summary>
internal static class ClusterMembership
{
    /// <summary>
    /// Has Akka read its settings of a cluster. It does so in actors, and would only log what is wrong: the node could never join.
    /// </summary>
    /// <exception cref="ConfigurationException">They cannot work.</exception>
    public static void Check(ActorSystem system)
    {
        try
        {
            _ = Cluster.Get(system).DowningProvider.DowningActorProps;
        }
        catch (Exception e)
        {
            throw AkkaFault.Of(e);
        }

        foreach (var time in (string[])["heartbeat-interval", "expected-response-after"])
        {
            if (system.Settings.Config.GetTimeSpan($"akka.cluster.failure-detector.{time}") <= TimeSpan.Zero)
            {
                throw new ConfigurationException($"akka.cluster.failure-detector.{time} must be more than 0");
            }
        }
    }

    /// <summary>
    /// Completes when this node is a member: of the seed nodes' cluster, or, when none are configured, of one of its own.
    /// </summary>
    /// <param name="system">This node's actor system.</param>
    /// <param name="options">The options of <c>policyd { cluster { } }</c>; null: the operator's <c>akka { }</c> alone counts.</param>
    public static async Task JoinAsync(ActorSystem system, ClusterOptions? options = null)
    {
        var cluster = Cluster.Get(system);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        if (options is { Seeds.Count: > 0 })
        {
            cluster.JoinSeedNodes(options.Seeds.Select(seed => NodeSettings.AddressOf(seed, options)));
        }
        else if (cluster.Settings.SeedNodes.IsEmpty)
        {
            cluster.Join(cluster.SelfAddress);
        }

        await up.Task.ConfigureAwait(false);
    }
}
