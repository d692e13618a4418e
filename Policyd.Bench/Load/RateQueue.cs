using System.Diagnostics;

namespace Policyd.Bench.Load;

/// <summary>The connections of an open loop that wait for a request, longest first, and the schedule that gives it to them.</summary>
internal sealed class RateQueue(RateSchedule schedule)
{
    private readonly Queue<LoadConnection> _waiting = new();

    public RateSchedule Schedule => schedule;

    /// <summary>False while every connection has a request in flight.</summary>
    public bool HasWaiting => _waiting.Count > 0;

    /// <summary>How long nothing is due, at most until <paramref name="latest"/>.</summary>
    public TimeSpan UntilNext(long latest)
    {
        var ticks = Math.Min(schedule.Next, latest) - Stopwatch.GetTimestamp();
        return ticks > 0 ? Stopwatch.GetElapsedTime(0, ticks) : TimeSpan.Zero;
    }

    public void Add(LoadConnection connection)
    {
        if (!connection.Waiting)
        {
            connection.Waiting = true;
            _waiting.Enqueue(connection);
        }
    }

    /// <summary>The connection that has waited longest, if the next request is due.</summary>
    public LoadConnection? TryTake(long now, out long due)
    {
        DropClosed();
        due = schedule.Next;
        if (_waiting.Count == 0 || !schedule.TryTake(now, out due))
        {
            return null;
        }

        var connection = _waiting.Dequeue();
        connection.Waiting = false;
        return connection;
    }

    // Closed while they waited; each is added again when it is connected again.
    private void DropClosed()
    {
        while (_waiting.TryPeek(out var connection) && connection.Socket is null)
        {
            connection.Waiting = false;
            _waiting.Dequeue();
        }
    }
}
