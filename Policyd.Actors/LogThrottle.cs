namespace Policyd.Actors;

/// <summary>Lets one log line through in an interval and counts the others, so that a flood does not fill the disk.</summary>
internal sealed class LogThrottle(TimeSpan interval)
{
    private readonly long _interval = (long)interval.TotalMilliseconds;
    private long _next = long.MinValue;
    private long _suppressed;

    /// <summary>True for the one that may log.</summary>
    /// <param name="suppressed">How many were held back since the last line.</param>
    public bool Enter(out long suppressed)
    {
        var now = Environment.TickCount64;
        var next = Volatile.Read(ref _next);
        if (now < next || Interlocked.CompareExchange(ref _next, now + _interval, next) != next)
        {
            Interlocked.Increment(ref _suppressed);
            suppressed = 0;
            return false;
        }

        suppressed = Interlocked.Exchange(ref _suppressed, 0);
        return true;
    }
}
