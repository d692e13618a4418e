namespace Policyd.Actors.Sessions;

/// <summary>How many quiet session actors a router keeps for the next instance, and when one that does not come back is replaced.</summary>
internal sealed record RouterSettings(int KeepQuiet, TimeSpan StuckAfter)
{
    /// <summary>The name of the dispatcher of the session actors.</summary>
    public string SessionDispatcher { get; init; } = Akka.Dispatch.Dispatchers.DefaultDispatcherId;

    public long StuckAfterMilliseconds { get; } = (long)StuckAfter.TotalMilliseconds;
}
