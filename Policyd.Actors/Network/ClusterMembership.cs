using Akka.Actor;
using Akka.Cluster;

namespace Policyd.Actors.Network;

/// <summary>A node's way into its cluster. Apart from the server, so that one that is alone never loads what a cluster needs.</summary>
internal static class ClusterMembership
{
    /// <summary>
    /// Completes when this node is a member: of the seed nodes' cluster, or, when none are configured, of one of its own.
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
