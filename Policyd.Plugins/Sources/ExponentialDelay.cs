namespace Policyd.Plugins.Sources;

/// <summary>
/// How long to wait before a source that is away is tried again: each wait is twice the one before, up to the longest. For one caller at a
/// time.
/// </summary>
/// <param name="first">The first wait.</param>
/// <param name="longest">The longest.</param>
public sealed class ExponentialDelay(TimeSpan first, TimeSpan longest)
{
    private TimeSpan? _next;

    /// <summary>The next wait.</summary>
    public TimeSpan Next()
    {
        var wait = _next ?? first;
        _next = TimeSpan.FromTicks(Math.Min(wait.Ticks * 2, longest.Ticks));
        return wait;
    }

    /// <summary>The source has answered.</summary>
    public void Reset() => _next = null;
}
