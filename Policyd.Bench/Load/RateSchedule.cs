namespace Policyd.Bench.Load;

/// <summary>
/// When the requests of a fixed rate are due: evenly spaced from the start. A request that could not be sent in time stays
/// due at its own time, so what a slow server holds up counts in full as latency.
/// </summary>
/// <param name="ratePerSecond">Requests a second.</param>
/// <param name="start">Time of the first request, in ticks of the caller's clock.</param>
/// <param name="frequency">Ticks a second of that clock.</param>
public sealed class RateSchedule(double ratePerSecond, long start, long frequency)
{
    private long _taken;

    /// <summary>When the next request is due.</summary>
    public long Next => DueAt(_taken);

    /// <summary>Takes the next request when it is due.</summary>
    /// <param name="due">When it was due, which is at most <paramref name="now"/>.</param>
    public bool TryTake(long now, out long due)
    {
        due = Next;
        if (due > now)
        {
            return false;
        }

        _taken++;
        return true;
    }

    /// <summary>How many requests are due before <paramref name="end"/> and not taken.</summary>
    public long CountUntaken(long end)
    {
        var due = (long)Math.Ceiling((end - start) * ratePerSecond / frequency);
        return Math.Max(0, due - _taken);
    }

    // From the number, not by adding up steps: those would drift by their rounding.
    private long DueAt(long number) => start + (long)(number * frequency / ratePerSecond);
}
