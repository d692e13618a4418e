using System.Collections.Concurrent;

namespace Policyd.Plugins.Modules;

/// <summary>
/// A token that is cancelled after a time, to be disposed when the waiting is over. Those of the system's clock are used again: a source and
/// its timer for every question to a counter would be garbage by the hundred thousand a second.
/// </summary>
internal readonly struct Patience : IDisposable
{
    private const int MostKept = 1024;
    private static readonly ConcurrentBag<CancellationTokenSource> s_kept = [];
    private readonly CancellationTokenSource _source;
    private readonly bool _isReusable;

    private Patience(CancellationTokenSource source, bool isReusable)
    {
        _source = source;
        _isReusable = isReusable;
    }

    public CancellationToken Token => _source.Token;

    public static Patience For(TimeSpan time, TimeProvider clock)
    {
        if (clock != TimeProvider.System)
        {
            return new Patience(new CancellationTokenSource(time, clock), isReusable: false);
        }

        var source = s_kept.TryTake(out var kept) ? kept : new CancellationTokenSource();
        source.CancelAfter(time);
        return new Patience(source, isReusable: true);
    }

    public void Dispose()
    {
        if (_isReusable && _source.TryReset() && s_kept.Count < MostKept)
        {
            s_kept.Add(_source);
        }
        else
        {
            _source.Dispose();
        }
    }
}
