using Akka;
using Akka.Actor;
using Akka.Cluster;

namespace Policyd.Actors.Clustering;

/// <summary>
/// The stop of a member that does not reach others. Leaving and handing over wait for their answers, for as long as each phase of Akka's
/// shutdown allows, twenty seconds together. So it declares itself down, and ends at once: the others fence it and take its keys over, as
/// those of one that was killed. What it counted was written before, or is in its spool.
/// </summary>
internal static class UnreachedLeave
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    // Whoever is unreachable may be taken for lost by then, so that leaving goes on.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    /// <summary>Has the coordinated shutdown look after it, from the moment when the counts are written.</summary>
    /// <param name="system">The member's.</param>
    /// <param name="hasQuorum">Whether at least half of the members are reached.</param>
    public static void Watch(ActorSystem system, Func<bool> hasQuorum)
    {
        var cluster = Cluster.Get(system);
        var isOver = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberRemoved(() => isOver.TrySetResult());
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseBeforeClusterShutdown, "leave-unreached", () =>
        {
            _ = LeaveAsync(cluster, isOver.Task, hasQuorum);
            return Task.FromResult(Done.Instance);
        });
    }

    private static async Task LeaveAsync(Cluster cluster, Task isOver, Func<bool> hasQuorum)
    {
        var waited = TimeSpan.Zero;
        while (!isOver.IsCompleted && !cluster.IsTerminated)
        {
            if (!hasQuorum() || waited >= s_patience)
            {
                cluster.Down(cluster.SelfAddress);
                return;
            }

            await Task.WhenAny(isOver, Task.Delay(s_look)).ConfigureAwait(false);
            waited = cluster.State.Unreachable.Count == 0 ? TimeSpan.Zero : waited + s_look;
        }
    }
}
