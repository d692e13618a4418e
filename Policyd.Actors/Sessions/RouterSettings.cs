namespace Policyd.Actors.Sessions;

/// <summary>How many quiet session actors a router keeps for the next instance, and when one that does not come back is replaced.</summary>
internal sealed class RouterSettings(int keepQuiet, TimeSpan stuckAfter)
{
    private long _stuckAfter = (long)stuckAfter.TotalMilliseconds;

    public int KeepQuiet { get; } = keepQuiet;

    /// <summary>The name of the dispatcher of the session actors.</summary>
    public string SessionDispatcher { get; init; } = Akka.Dispatch.Dispatchers.DefaultDispatcherId;

    /// <summary>Milliseconds; a reload may change it.</summary>
    public long StuckAfter
    {
        get => Volatile.Read(ref _stuckAfter);
        set => Volatile.Write(ref _stuckAfter, value);
    }
}
