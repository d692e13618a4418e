namespace Policyd.Actors.Sessions;

/// <summary>How many quiet session actors a router keeps for the next instance, and when one that does not come back is replaced.</summary>
internal sealed record RouterSettings(int KeepQuiet, TimeSpan StuckAfter)
{
    public long StuckAfterMilliseconds { get; } = (long)StuckAfter.TotalMilliseconds;
}
