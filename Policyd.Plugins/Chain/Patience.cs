namespace Policyd.Plugins.Chain;

/// <summary>A token that is cancelled after a time, to be disposed when the waiting is over. Long ones share their timers.</summary>
internal readonly struct Patience : IDisposable
{
    private readonly CancellationTokenSource? _own;

    private Patience(CancellationTokenSource? own, CancellationToken token) => (_own, Token) = (own, token);

    public CancellationToken Token { get; }

    public static Patience For(TimeSpan time, TimeProvider clock)
    {
        if (SharedDeadlines.Fit(time, clock))
        {
            return new Patience(null, SharedDeadlines.After(time));
        }

        var own = new CancellationTokenSource(time, clock);
        return new Patience(own, own.Token);
    }

    public void Dispose() => _own?.Dispose();
}
