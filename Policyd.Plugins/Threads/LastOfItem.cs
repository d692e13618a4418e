namespace Policyd.Plugins.Threads;

/// <summary>
/// What a work item of the pool leaves to be done after it. The first of it runs at the end of that item, on the same thread, and the rest
/// is queued: to queue the first as well would wake another thread for it, while this one goes to sleep. On any other thread everything is
/// queued.
/// </summary>
internal sealed class LastOfItem
{
    [ThreadStatic]
    private static LastOfItem? s_current;

    private IThreadPoolWorkItem? _first;
    private bool _isBegun;

    /// <summary>Runs it in the pool.</summary>
    public static void Queue(IThreadPoolWorkItem work)
    {
        if (s_current is { _isBegun: true, _first: null } current)
        {
            current._first = work;
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: true);
        }
    }

    /// <summary>A work item of the pool begins. Disposing what is returned runs what it has left; nothing may follow.</summary>
    public static Scope Begin()
    {
        var current = s_current ??= new LastOfItem();
        if (current._isBegun)
        {
            return default;
        }

        current._isBegun = true;
        return new Scope(current);
    }

    private void End()
    {
        var first = _first;
        (_first, _isBegun) = (null, false);
        first?.Execute();
    }

    /// <summary>A work item that is under way.</summary>
    public readonly ref struct Scope(LastOfItem? begun)
    {
        public void Dispose() => begun?.End();
    }
}
