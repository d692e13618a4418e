namespace Policyd.Plugins.Sources;

/// <summary>
/// When a source that failed is asked again: after a pause that doubles with each failure, and then by one caller alone until that one
/// knows. Without it every mail would wait for a server that is known to be away.
/// <code>
/// using var attempt = _backOff.Enter();
/// if (attempt.IsRefused) { … the source is away … }
/// … ask …
/// attempt.Succeeded(); or attempt.Failed();
/// </code>
/// An attempt that ends without either (cancelled, or an error that says nothing of the source) leaves all as it was, and its place to the
/// next one. One that fails while a later one was answered says nothing either: a mail that takes the source long must not take it from the
/// others.
/// </summary>
public sealed class BackOff
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(5);

    // Longer than any request may take. Only an attempt that nobody waits for any more takes so long: its place must not be lost for ever.
    private static readonly TimeSpan s_longestProbe = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly ExponentialDelay _growing;
    private readonly int _failuresToPause;
    private int _failures;
    private TimeSpan? _pause;
    private long _pauseBegan;
    private long _probeBegan;

    // Attempts are numbered as they begin. Those up to the one that was the newest at the last answer or pause tell nothing new by failing.
    private long _newest;
    private long _known;
    private long? _probe;

    /// <summary>Nothing has failed yet.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="shortest">The first pause; absent: half a second.</param>
    /// <param name="longest">The longest pause; absent: five seconds.</param>
    /// <param name="failuresToPause">How many failures in a row begin a pause.</param>
    public BackOff(TimeProvider clock, TimeSpan? shortest = null, TimeSpan? longest = null, int failuresToPause = 1)
    {
        _clock = clock;
        _growing = new ExponentialDelay(shortest ?? s_shortest, longest ?? s_longest);
        _failuresToPause = failuresToPause;
    }

    /// <summary>Whether the source counts as away.</summary>
    public bool IsPaused
    {
        get
        {
            lock (_lock)
            {
                return _pause is not null;
            }
        }
    }

    /// <summary>How long nobody asks from now on; zero when somebody may ask or is asking.</summary>
    public TimeSpan PauseLeft
    {
        get
        {
            lock (_lock)
            {
                return _pause is { } pause && pause - _clock.GetElapsedTime(_pauseBegan) is { Ticks: > 0 } left ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>Asks for leave to ask the source; to be disposed when its answer is known or is no longer waited for.</summary>
    public Attempt Enter()
    {
        lock (_lock)
        {
            if (_pause is not { } pause)
            {
                return new Attempt(this, ++_newest);
            }

            if (_clock.GetElapsedTime(_pauseBegan) < pause || (_probe is not null && _clock.GetElapsedTime(_probeBegan) < s_longestProbe))
            {
                return default;
            }

            _probe = ++_newest;
            _probeBegan = _clock.GetTimestamp();
            return new Attempt(this, _newest);
        }
    }

    /// <summary>The source is back, as something else than an attempt tells: it may be asked at once.</summary>
    public void Reset() => Succeeded();

    private bool Failed(long number)
    {
        lock (_lock)
        {
            // Failures of one moment are one failure.
            if (_pause is null ? number <= _known : number != _probe)
            {
                return false;
            }

            var isFirst = _pause is null;
            if (isFirst && ++_failures < _failuresToPause)
            {
                return false;
            }

            _pause = _growing.Next();
            _pauseBegan = _clock.GetTimestamp();
            _probe = null;
            _known = _newest;
            return isFirst;
        }
    }

    private bool Succeeded()
    {
        lock (_lock)
        {
            _failures = 0;
            _known = _newest;
            if (_pause is null)
            {
                return false;
            }

            _pause = null;
            _probe = null;
            _growing.Reset();
            return true;
        }
    }

    private void Leave(long number)
    {
        lock (_lock)
        {
            _probe = _probe == number ? null : _probe;
        }
    }

    /// <summary>One caller's leave to ask, or the refusal of it. What it has told once, later calls do not change.</summary>
    public readonly struct Attempt : IDisposable
    {
        private readonly BackOff? _owner;
        private readonly long _number;

        internal Attempt(BackOff owner, long number) => (_owner, _number) = (owner, number);

        /// <summary>Whether the source must not be asked now: it is away.</summary>
        public bool IsRefused => _owner is null;

        /// <summary>The source failed.</summary>
        /// <returns>Whether it had not before: the pause begins with this.</returns>
        public bool Failed() => _owner?.Failed(_number) == true;

        /// <summary>The source answered, whatever it answered.</summary>
        /// <returns>Whether it had been away.</returns>
        public bool Succeeded() => _owner?.Succeeded() == true;

        /// <inheritdoc/>
        public void Dispose() => _owner?.Leave(_number);
    }
}
