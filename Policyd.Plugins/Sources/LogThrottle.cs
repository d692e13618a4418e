namespace Policyd.Plugins.Sources;

/// <summary>
/// Lets the first log line of a trouble through at once, then at most one in an interval with the count of what was left out, so that a
/// flood does not fill the disk. A source that comes and goes gets no more lines than one that stays away, and as many of its return.
/// </summary>
public sealed class LogThrottle
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly TimeSpan _interval;
    private long? _lastLine;
    private long? _lastEnd;
    private long _began;
    private long _leftOut;
    private long _count;
    private volatile bool _isTroubled;

    /// <summary>Nothing was logged yet.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="interval">The interval; absent: ten seconds.</param>
    public LogThrottle(TimeProvider clock, TimeSpan? interval = null)
    {
        _clock = clock;
        _interval = interval ?? s_interval;
    }

    /// <summary>Something is to be told. True for the one that may tell it.</summary>
    /// <param name="leftOut">How many were held back since the last line.</param>
    public bool Enter(out long leftOut)
    {
        lock (_lock)
        {
            if (!_isTroubled)
            {
                (_isTroubled, _began, _count) = (true, _clock.GetTimestamp(), 0);
            }

            _count++;
            if (!IsDue(_lastLine))
            {
                _leftOut++;
                leftOut = 0;
                return false;
            }

            (_lastLine, leftOut, _leftOut) = (_clock.GetTimestamp(), _leftOut, 0);
            return true;
        }
    }

    /// <summary>For a timer: true when what was left out is due to be told although nothing new has come.</summary>
    /// <param name="leftOut">How many were held back since the last line.</param>
    public bool Flush(out long leftOut)
    {
        lock (_lock)
        {
            leftOut = 0;
            if (_leftOut == 0 || !IsDue(_lastLine))
            {
                return false;
            }

            (_lastLine, leftOut, _leftOut) = (_clock.GetTimestamp(), _leftOut, 0);
            return true;
        }
    }

    /// <summary>
    /// All is well, or well again; to be called at each success, which costs a read of a flag as long as nothing was wrong. True for the
    /// one that is to tell that the trouble is over. While lines of that kind would come too fast, a later success tells it.
    /// </summary>
    /// <param name="after">How long the trouble lasted.</param>
    /// <param name="count">How often <see cref="Enter"/> was called in it.</param>
    public bool Leave(out TimeSpan after, out long count)
    {
        (after, count) = (TimeSpan.Zero, 0);
        if (!_isTroubled)
        {
            return false;
        }

        lock (_lock)
        {
            if (!_isTroubled || !IsDue(_lastEnd))
            {
                return false;
            }

            (_isTroubled, _lastEnd, _leftOut) = (false, _clock.GetTimestamp(), 0);
            (after, count) = (_clock.GetElapsedTime(_began), _count);
            return true;
        }
    }

    private bool IsDue(long? last) => last is not { } line || _clock.GetElapsedTime(line) >= _interval;
}
