namespace Policyd.Actors;

/// <summary>How long to wait before a database that is away is tried again: each wait is twice the one before, up to the longest.</summary>
internal sealed class BackOff(TimeSpan first, TimeSpan longest)
{
    private TimeSpan? _next;

    public TimeSpan Next()
    {
        var wait = _next ?? first;
        _next = TimeSpan.FromTicks(Math.Min(wait.Ticks * 2, longest.Ticks));
        return wait;
    }

    /// <summary>The database has answered.</summary>
    public void Reset() => _next = null;
}
