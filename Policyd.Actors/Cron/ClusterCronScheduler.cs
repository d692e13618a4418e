using Akka.Actor;
using Akka.Cluster.Tools.Singleton;

namespace Policyd.Actors.Cron;

/// <summary>
/// The cron scheduler of a cluster: one of its nodes has it, each has a way to it. Apart, so that a server that is alone never loads what a
/// cluster needs.
/// </summary>
internal static class ClusterCronScheduler
{
    /// <summary>This node's way to the scheduler.</summary>
    public static IActorRef Start(ActorSystem system, Props scheduler, string name)
    {
        system.ActorOf(
            ClusterSingletonManager.Props(scheduler, PoisonPill.Instance, ClusterSingletonManagerSettings.Create(system)),
            name + "-singleton");
        return system.ActorOf(
            ClusterSingletonProxy.Props($"/user/{name}-singleton", ClusterSingletonProxySettings.Create(system)), name + "-proxy");
    }
}
