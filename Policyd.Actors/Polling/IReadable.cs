namespace Policyd.Actors.Polling;

/// <summary>Who reads a socket that a <see cref="SocketPoll"/> watches.</summary>
internal interface IReadable
{
    /// <summary>There is something to read, or was. Called on any thread, also twice at a time.</summary>
    /// <param name="hasEnded">Whether the peer sends nothing after that: then it is not told again.</param>
    void OnReadable(bool hasEnded);
}
