namespace Policyd.Actors.Connections;

/// <summary>
/// Ends the framing stage: the bytes are no request. The message is safe to log. An exception since that is how a stream
/// fails; it is thrown nowhere, so it costs no stack walk.
/// </summary>
internal sealed class BadRequestException(string message, bool truncated) : Exception(message)
{
    /// <summary>The peer left: nobody is there to answer.</summary>
    public bool Truncated { get; } = truncated;
}
