namespace Policyd.Bench.Runtime;

/// <summary>
/// Adds up what a runtime reports: its counters come at an interval, each time for all that was counted since the last, and
/// the begin and end of each pause come as they happen. Events are taken on the thread that reads them.
/// </summary>
public sealed class RuntimeTally
{
    private const string Allocated = "alloc-rate";
    private const string WorkItems = "threadpool-completed-items-count";

    private readonly Lock _lock = new();
    private readonly List<double> _pauses = [];
    private double _allocated;
    private double _workItems;
    private double? _suspended;
    private DateTime? _allocatedUntil;
    private DateTime? _workItemsUntil;

    /// <summary>A counter has grown by <paramref name="increment"/> until <paramref name="at"/>.</summary>
    public void Count(string counter, double increment, DateTime at)
    {
        lock (_lock)
        {
            switch (counter)
            {
                case Allocated:
                    (_allocated, _allocatedUntil) = (_allocated + increment, at);
                    break;
                case WorkItems:
                    (_workItems, _workItemsUntil) = (_workItems + increment, at);
                    break;
            }
        }
    }

    /// <summary>The collector begins to stop the threads.</summary>
    public void Suspend(double milliseconds)
    {
        lock (_lock)
        {
            _suspended = milliseconds;
        }
    }

    /// <summary>All threads run again; the runtime also stops them for other reasons, whose begin was not told here.</summary>
    public void Resume(double milliseconds)
    {
        lock (_lock)
        {
            if (_suspended is { } since)
            {
                _pauses.Add(milliseconds - since);
            }

            _suspended = null;
        }
    }

    /// <summary>True when both counters cover the time until <paramref name="time"/>.</summary>
    public bool Covers(DateTime time)
    {
        lock (_lock)
        {
            return _allocatedUntil >= time && _workItemsUntil >= time;
        }
    }

    /// <summary>What was counted since the last call.</summary>
    public RuntimeFigures Take()
    {
        lock (_lock)
        {
            var figures = new RuntimeFigures(_allocated, _workItems, [.. _pauses]);
            (_allocated, _workItems) = (0, 0);
            _pauses.Clear();
            return figures;
        }
    }
}
