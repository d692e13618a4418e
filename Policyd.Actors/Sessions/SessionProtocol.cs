using Policyd.Plugins.Sessions;

namespace Policyd.Actors.Sessions;

/// <summary>What a session actor says besides the requests that it is sent.</summary>
internal static class SessionProtocol
{
    /// <summary>To the router: the session actor has nothing left to do, and has handled so many requests since it last said so.</summary>
    public sealed record Handled(int Count);

    /// <summary>To itself: the request that went asynchronous is over; the session as it is now.</summary>
    public sealed record Finished(Session? Session);
}
