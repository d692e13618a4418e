namespace Policyd.Plugins.Connections;

/// <summary>
/// When a source that failed is asked again: after a pause that doubles with each failure, by one caller at first. Without it every mail
/// would wait for a server that is known to be away, and log that it is.
/// </summary>
internal sealed class BackOff(TimeProvider clock)
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private TimeSpan _pause;
    private long _pauseBegan;
    private bool _isTried;

    /// <summary>Whether the source may be asked now. A yes after a failure is for this caller alone: the pause begins anew.</summary>
    public bool TryEnter()
    {
        lock (_lock)
        {
            if (_pause == TimeSpan.Zero)
            {
                return true;
            }

            if (clock.GetElapsedTime(_pauseBegan) < _pause)
            {
                return false;
            }

            _pauseBegan = clock.GetTimestamp();
            _isTried = true;
            return true;
        }
    }

    /// <summary>The source failed.</summary>
    /// <returns>Whether it had not before: the time to log it. Requests that fail together are one failure.</returns>
    public bool Failed()
    {
        lock (_lock)
        {
            var isFirst = _pause == TimeSpan.Zero;
            if (!isFirst && !_isTried)
            {
                // It was asked before the pause began, with those whose failure began it.
                return false;
            }

            _pause = isFirst ? s_shortest : TimeSpan.FromTicks(Math.Min(s_longest.Ticks, _pause.Ticks * 2));
            _isTried = false;
            _pauseBegan = clock.GetTimestamp();
            return isFirst;
        }
    }

    /// <summary>The source answered.</summary>
    /// <returns>Whether it had failed before.</returns>
    public bool Succeeded()
    {
        lock (_lock)
        {
            var wasAway = _pause != TimeSpan.Zero;
            _pause = TimeSpan.Zero;
            _isTried = false;
            return wasAway;
        }
    }
}
