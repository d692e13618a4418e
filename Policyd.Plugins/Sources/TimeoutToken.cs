namespace Policyd.Plugins.Sources;

/// <summary>A token that is cancelled after a time, to be disposed when the waiting is over. Long ones share their timers.</summary>
public readonly struct TimeoutToken : IDisposable
{
    private readonly CancellationTokenSource? _own;

    private TimeoutToken(CancellationTokenSource? own, CancellationToken token) => (_own, Token) = (own, token);

    /// <summary>The token.</summary>
    public CancellationToken Token { get; }

    /// <summary>Makes one.</summary>
    /// <param name="time">The time; not negative.</param>
    /// <param name="clock">The clock.</param>
    public static TimeoutToken For(TimeSpan time, TimeProvider clock)
    {
        if (SharedDeadlines.Fit(time, clock))
        {
            return new TimeoutToken(null, SharedDeadlines.After(time));
        }

        var own = new CancellationTokenSource(time, clock);
        return new TimeoutToken(own, own.Token);
    }

    /// <inheritdoc/>
    public void Dispose() => _own?.Dispose();
}
