using Akka.Actor;
using Akka.Dispatch;
using Policyd.Plugins.Threads;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// Mailboxes of actors that decide in less time than another thread takes to wake, and wait for nobody: they run on the thread that sends
/// to them, once it has sent all that it had to send. Within a turn, from <see cref="Begin"/> on, what is scheduled waits for its end. All
/// else goes to the pool, where each run is a turn as well.
/// </summary>
internal sealed class SenderTurn
{
    // A mailbox that fills as fast as it is emptied must not keep the sender for itself.
    private const int MostRuns = 16;

    private static readonly PooledRuns s_pooled = new(RunInTurn);

    [ThreadStatic]
    private static SenderTurn? s_current;

    private readonly Queue<IRunnable> _waiting = new();
    private int _runsLeft;
    private bool _isBegun;

    /// <summary>Runs it at the end of the turn of this thread, or on a thread of the pool.</summary>
    public static void Execute(IRunnable run)
    {
        if (s_current is { _isBegun: true } current)
        {
            current._waiting.Enqueue(run);
        }
        else
        {
            s_pooled.Add(run);
        }
    }

    /// <summary>Begins a turn of this thread, unless it is in one. Disposing what is returned runs what waits, and ends the turn.</summary>
    /// <param name="mostRuns">How many mailboxes it runs; the rest goes to the pool.</param>
    public static Turn Begin(int mostRuns = MostRuns)
    {
        var current = s_current ??= new SenderTurn();
        if (current._isBegun)
        {
            return default;
        }

        (current._isBegun, current._runsLeft) = (true, mostRuns);
        return new Turn(current);
    }

    /// <summary>Tells an actor from a thread that may run its mailbox.</summary>
    public static void Tell(IActorRef actor, object message)
    {
        using var turn = Begin();
        actor.Tell(message, actor);
    }

    /// <summary>
    /// Tells an actor as the last thing that a work item of the pool does. Before this returns its mailbox runs, unless another thread runs
    /// it already, and then the code of one request that was answered, which may block. Elsewhere, such as within a turn, it is a message
    /// as any other.
    /// </summary>
    public static void TellAtEnd(IActorRef actor, object message)
    {
        if (s_current is { _isBegun: true } || !Thread.CurrentThread.IsThreadPoolThread)
        {
            actor.Tell(message, actor);
            return;
        }

        using var last = LastOfItem.Begin();
        using var turn = Begin();
        actor.Tell(message, actor);
    }

    private static void RunInTurn(IRunnable run)
    {
        using var last = LastOfItem.Begin();
        using var turn = Begin();
        run.Run();
    }

    // Runs what waits and what that schedules.
    private void End()
    {
        try
        {
            for (; _runsLeft > 0 && _waiting.TryDequeue(out var run); _runsLeft--)
            {
                run.Run();
            }
        }
        finally
        {
            _isBegun = false;
            while (_waiting.TryDequeue(out var run))
            {
                s_pooled.Add(run);
            }
        }
    }

    /// <summary>A turn that is under way.</summary>
    public readonly ref struct Turn(SenderTurn? begun)
    {
        public void Dispose() => begun?.End();
    }
}
