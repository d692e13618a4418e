namespace Policyd.Actors.Listeners;

/// <summary>A listener cannot be bound: the server does not start. The message is for the operator.</summary>
public sealed class ListenException(string message, Exception? inner = null) : Exception(message, inner);
