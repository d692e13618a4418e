using Akka.Actor;
using Akka.Cluster.Tools.Singleton;

namespace Policyd.Actors.Cron;

/// <summary>The clockwork of a cluster: one of its nodes has it, each has a way to it. Apart, so that a server that is alone never loads what a cluster needs.</summary>
internal static class ClusterClockwork
{
    /// <summary>This node's way to the clockwork.</summary>
    public static IActorRef Start(ActorSystem system, Props clockwork, string name)
    {
        system.ActorOf(ClusterSingletonManager.Props(clockwork, PoisonPill.Instance, ClusterSingletonManagerSettings.Create(system)), name + "-singleton");
        return system.ActorOf(ClusterSingletonProxy.Props($"/user/{name}-singleton", ClusterSingletonProxySettings.Create(system)), name + "-proxy");
    }
}
