namespace Policyd.Plugins.Sources;

/// <summary>A token that is cancelled after a time, to be disposed when the waiting is over. Long ones share their timers.</summary>
internal readonly struct TimeoutToken : IDisposable
{
    private readonly CancellationTokenSource? _own;

    private TimeoutToken(CancellationTokenSource? own, CancellationToken token) => (_own, Token) = (own, token);

    public CancellationToken Token { get; }

    public static TimeoutToken For(TimeSpan time, TimeProvider clock)
    {
        if (SharedDeadlines.Fit(time, clock))
        {
            return new TimeoutToken(null, SharedDeadlines.After(time));
        }

        var own = new CancellationTokenSource(time, clock);
        return new TimeoutToken(own, own.Token);
    }

    public void Dispose() => _own?.Dispose();
}
