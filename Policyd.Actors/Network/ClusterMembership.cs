using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;

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
    /// For a cluster that only <c>akka { }</c> makes. Completes when this node is a member: of the seed nodes' cluster, or, when none are
    /// configured, of one of its own.
    /// </summary>
    public static async Task JoinAsync(ActorSystem system)
    {
        var cluster = Cluster.Get(system);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        if (cluster.Settings.SeedNodes.IsEmpty)
        {
            cluster.Join(cluster.SelfAddress);
        }

        await up.Task.ConfigureAwait(false);
    }
}
