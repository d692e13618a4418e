namespace Policyd.Actors.Server;

/// <summary>Why a running server cannot take a configuration over; the message is for the operator.</summary>
/// <param name="option">The option that is in the way, such as <c>listen</c> or <c>connections.db</c>.</param>
/// <param name="message">What is the matter with it.</param>
/// <param name="inner">The cause; null when there is none.</param>
public sealed class ReloadException(string option, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The option that is in the way.</summary>
    public string Option { get; } = option;
}

/// <summary>The server stops, so that it takes no configuration over any more.</summary>
/// <param name="inner">The cause; null when there is none.</param>
public sealed class ServerStopsException(Exception? inner = null) : Exception("the server stops", inner);
