using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;

namespace Policyd.Engine.Following;

/// <summary>Who listens to a server's decisions. A request reads one field, and takes no lock.</summary>
public sealed class DecisionListeners
{
    // As many as requests are on their way at once on a busy server.
    private const int MostSpare = 256;

    // Most requests begin and end on one thread. One from another processor would have to come over with all that it recorded last.
    [ThreadStatic]
    private static DecisionRecorder? s_ofThread;

    private readonly Lock _lock = new();
    private readonly Lock _spareLock = new();
    private readonly Stack<DecisionRecorder> _spare = new();
    private volatile Listening _listening = new([], DecisionDepth.None);

    /// <summary>Whether anybody listens.</summary>
    public bool Any => _listening.All.Length > 0;

    /// <summary>What records a request's way, as deep as somebody wants to know it; null when nobody does.</summary>
    public DecisionRecorder? NewRecorder()
    {
        var depth = _listening.Depth;
        if (depth == DecisionDepth.None)
        {
            return null;
        }

        if (TakeSpare() is not { } spare)
        {
            return new DecisionRecorder(depth, TimeProvider.System);
        }

        spare.Renew(depth);
        return spare;
    }

    /// <summary>
    /// Nobody keeps what was recorded, as of most requests, and nothing of the request's chain runs any more: the next request is recorded
    /// in the same objects.
    /// </summary>
    /// <param name="recorder">The recorder; its steps must not be read from now on.</param>
    internal void Return(DecisionRecorder recorder)
    {
        if (s_ofThread is null)
        {
            s_ofThread = recorder;
            return;
        }

        lock (_spareLock)
        {
            if (_spare.Count < MostSpare)
            {
                _spare.Push(recorder);
            }
        }
    }

    /// <summary>Tells a listener of each request from now on, until what is returned is disposed.</summary>
    /// <param name="listener">The listener.</param>
    public IDisposable Listen(IDecisionListener listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        var entry = new Entry(listener, this);
        Change(all => [.. all, entry]);
        return entry;
    }

    /// <summary>Tells all listeners of a request.</summary>
    /// <param name="record">What became of it.</param>
    public void Tell(RequestRecord record)
    {
        foreach (var entry in _listening.All)
        {
            entry.Listener.Decided(record);
        }
    }

    private DecisionRecorder? TakeSpare()
    {
        if (s_ofThread is { } own)
        {
            s_ofThread = null;
            return own;
        }

        lock (_spareLock)
        {
            return _spare.TryPop(out var spare) ? spare : null;
        }
    }

    private void Change(Func<Entry[], Entry[]> change)
    {
        lock (_lock)
        {
            var all = change(_listening.All);
            _listening = new Listening(all, all.Select(static entry => entry.Depth).DefaultIfEmpty().Max());
        }
    }

    private sealed record Listening(Entry[] All, DecisionDepth Depth);

    private sealed class Entry(IDecisionListener listener, DecisionListeners owner) : IDisposable
    {
        public IDecisionListener Listener { get; } = listener;

        public DecisionDepth Depth { get; } = listener.Depth;

        public void Dispose() => owner.Change(all => [.. all.Where(entry => entry != this)]);
    }
}
