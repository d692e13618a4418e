using System.Diagnostics.CodeAnalysis;
using Akka.Dispatch;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// What the present thread runs next, as in the schedulers of Go and Tokio. A request goes through several mailboxes; to queue each to the
/// thread pool would wake another thread each time. What is scheduled within a turn, from <see cref="Begin"/> on, waits for
/// the present run to end and then runs on the same thread. All else goes to the pool, where each run is a turn as well. Plugins may block
/// their thread, so they run between <see cref="Close"/> and <see cref="Open"/>: what waits is handed to the pool before, and what is
/// scheduled meanwhile goes there at once.
/// </summary>
internal sealed class RunNext
{
    /// <summary>So much may wait; what comes on top goes to the pool.</summary>
    public const int Room = 4;

    // The end of a turn. A client that sends requests without waiting for the answers must not keep a thread for itself.
    private const int MostRuns = 64;

    private static readonly PooledRuns s_pooled = new(RunInTurn);

    [ThreadStatic]
    private static RunNext? s_current;

    private readonly IRunnable?[] _waiting = new IRunnable?[Room];
    private int _first;
    private int _count;
    private BlockingThreads? _blocking;
    private bool _mayBlock;
    private bool _isBegun;
    private bool _isOpen;

    /// <summary>Runs it after the present run of this thread, or on a thread of the pool.</summary>
    public static void Execute(IRunnable run)
    {
        if (s_current is not { _isOpen: true } current || !current.TryAdd(run))
        {
            s_pooled.Add(run);
        }
    }

    /// <summary>The same for what may block its thread: only where this thread may be blocked.</summary>
    public static void ExecuteBlocking(IRunnable run)
    {
        if (s_current is not { _isOpen: true } current || !current.MayBlock() || !current.TryAdd(run))
        {
            s_pooled.Add(run);
        }
    }

    /// <summary>Begins a turn of this thread, unless it is in one. Disposing what is returned runs what waits, and ends the turn.</summary>
    /// <param name="blocking">The threads that it belongs to when not all of them may be blocked at once; null: this one may.</param>
    public static Turn Begin(BlockingThreads? blocking = null)
    {
        var current = s_current ??= new RunNext();
        if (current._isBegun)
        {
            return default;
        }

        (current._blocking, current._mayBlock) = (blocking, blocking is null);
        current._isBegun = current._isOpen = true;
        return new Turn(current);
    }

    /// <summary>Code follows that may block this thread.</summary>
    /// <returns>What <see cref="Open"/> is to be called with.</returns>
    public static RunNext? Close()
    {
        if (s_current is not { _isOpen: true } current)
        {
            return null;
        }

        current.Flush();
        current._isOpen = false;
        return current;
    }

    /// <summary>That code has returned.</summary>
    public static void Open(RunNext? closed)
    {
        if (closed is not null)
        {
            closed._isOpen = true;
        }
    }

    // Runs what waits and what that schedules.
    private void End()
    {
        try
        {
            for (var runs = 0; runs < MostRuns && TryTake(out var run); runs++)
            {
                run.Run();
            }
        }
        finally
        {
            Flush();
            _isBegun = _isOpen = false;
            if (_mayBlock)
            {
                _blocking?.Leave();
            }
        }
    }

    private static void RunInTurn(IRunnable run)
    {
        using var turn = Begin();
        run.Run();
    }

    private bool MayBlock() => _mayBlock || (_mayBlock = _blocking!.TryEnter());

    private bool TryAdd(IRunnable run)
    {
        if (_count == Room)
        {
            return false;
        }

        _waiting[(_first + _count++) % Room] = run;
        return true;
    }

    private bool TryTake([NotNullWhen(true)] out IRunnable? run)
    {
        run = _waiting[_first];
        if (run is null)
        {
            return false;
        }

        _waiting[_first] = null;
        _first = (_first + 1) % Room;
        _count--;
        return true;
    }

    private void Flush()
    {
        while (TryTake(out var run))
        {
            s_pooled.Add(run);
        }
    }

    /// <summary>A turn that is under way.</summary>
    public readonly ref struct Turn(RunNext? begun)
    {
        public bool IsBegun => begun is not null;

        public void Dispose() => begun?.End();
    }
}
