namespace Policyd.Plugins.Threads;

/// <summary>
/// A thread that looks whether others are held; it is there once a plugin of a third party is. Every tenth of a second it lets the pool
/// have more threads when work waits there and none was done since the last look: code that blocks a thread after an <c>await</c> then
/// delays nobody else for long, and .NET itself adds only one or two in a second. And it has each plugin tell when it holds threads.
/// </summary>
internal static class ThreadWatch
{
    /// <summary>The most threads that the pool begins with.</summary>
    public const int MostPooled = 256;

    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(100);
    private static readonly Lock s_lock = new();
    private static readonly List<WeakReference<Action>> s_lookers = [];
    private static bool s_runs;

    /// <summary>Has something looked at with each look, for as long as somebody else keeps it.</summary>
    public static void Add(Action look)
    {
        lock (s_lock)
        {
            s_lookers.Add(new WeakReference<Action>(look));
            if (!s_runs)
            {
                s_runs = true;
                new Thread(Run) { IsBackground = true, Name = "plugin threads" }.UnsafeStart();
            }
        }
    }

    private static void Run()
    {
        var done = 0L;
        while (true)
        {
            Thread.Sleep(s_interval);
            done = GrowPool(done);
            Look();
        }
    }

    private static long GrowPool(long doneBefore)
    {
        var done = ThreadPool.CompletedWorkItemCount;
        if (ThreadPool.PendingWorkItemCount > 0 && done == doneBefore)
        {
            ThreadPool.GetMinThreads(out var workers, out var others);
            if (workers < MostPooled)
            {
                ThreadPool.SetMinThreads(Math.Min(MostPooled, workers * 2), others);
            }
        }

        return done;
    }

    // Without garbage, since it is done ten times a second.
    private static void Look()
    {
        lock (s_lock)
        {
            for (var index = s_lookers.Count - 1; index >= 0; index--)
            {
                if (s_lookers[index].TryGetTarget(out var look))
                {
                    look();
                }
                else
                {
                    s_lookers.RemoveAt(index);
                }
            }
        }
    }
}
