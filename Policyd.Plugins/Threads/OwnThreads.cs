namespace Policyd.Plugins.Threads;

/// <summary>
/// Threads for the code of one plugin that blocks them: made as they are needed, a bounded number for each plugin and for all together, and
/// ended when they have had nothing to do for a while. What comes while all are held waits, a bounded number as well.
/// </summary>
internal sealed class OwnThreads(string plugin)
{
    /// <summary>The most threads of one plugin.</summary>
    public const int Most = 64;

    /// <summary>The most threads of all plugins together.</summary>
    public const int MostInAll = 256;

    /// <summary>What waits for a thread of one plugin, at most.</summary>
    public const int MostWaiting = 10_000;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(30);
    private static int s_inAll;

    private readonly Queue<Action> _work = new();
    private readonly ThreadTurns _turns = new();
    private int _threads;
    private int _idle;

    /// <summary>How many threads are at work, and how long the longest of them is.</summary>
    public (int Count, TimeSpan Longest) State => _turns.State;

    /// <summary>Those of them that the plugin itself has asked for, by RunBlockingAsync: to hold these is no fault.</summary>
    public ThreadTurns Asked { get; } = new();

    /// <summary>
    /// Runs the work, which throws nothing, on a thread of its own, with what is local to the caller's asynchronous flow.
    /// </summary>
    /// <returns>False when too much waits, or no thread can be made for want of room.</returns>
    public bool TryRun(Action work)
    {
        var flow = ExecutionContext.Capture();
        return TryAdd(flow is null ? work : () => ExecutionContext.Run(flow, static work => ((Action)work!)(), work));
    }

    private bool TryAdd(Action work)
    {
        lock (_work)
        {
            if (_work.Count >= MostWaiting)
            {
                return false;
            }

            if (_work.Count < _idle)
            {
                _work.Enqueue(work);
                Monitor.Pulse(_work);
                return true;
            }

            if (_threads < Most && TryCountThread())
            {
                _threads++;
                new Thread(Loop) { IsBackground = true, Name = $"plugin {plugin}" }.UnsafeStart();
            }
            else if (_threads == 0)
            {
                return false;
            }

            _work.Enqueue(work);
            return true;
        }
    }

    private static bool TryCountThread()
    {
        if (Interlocked.Increment(ref s_inAll) <= MostInAll)
        {
            return true;
        }

        Interlocked.Decrement(ref s_inAll);
        return false;
    }

    private void Loop()
    {
        while (Next() is { } work)
        {
            var turn = _turns.Begin();
            work();
            _turns.End(turn);
        }

        Interlocked.Decrement(ref s_inAll);
    }

    private Action? Next()
    {
        lock (_work)
        {
            while (_work.Count == 0)
            {
                _idle++;
                var isWoken = Monitor.Wait(_work, s_idle);
                _idle--;
                if (!isWoken && _work.Count == 0)
                {
                    _threads--;
                    return null;
                }
            }

            return _work.Dequeue();
        }
    }
}
