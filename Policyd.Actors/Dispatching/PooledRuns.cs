using System.Collections.Concurrent;
using Akka.Dispatch;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// What runs on threads of the pool. One object stands for all that is in the pool's queue: each time that it is executed it takes the
/// next, so that nothing is made for a run.
/// </summary>
/// <param name="inTurn">Runs one, as a turn of the thread that it is called on.</param>
internal sealed class PooledRuns(Action<IRunnable> inTurn) : IThreadPoolWorkItem
{
    private readonly ConcurrentQueue<IRunnable> _waiting = new();

    /// <summary>Has it run on a thread of the pool.</summary>
    public void Add(IRunnable run)
    {
        _waiting.Enqueue(run);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <inheritdoc/>
    public void Execute()
    {
        if (_waiting.TryDequeue(out var run))
        {
            inTurn(run);
        }
    }
}
