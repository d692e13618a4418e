namespace Policyd.Actors.Network;

/// <summary>A connection between two nodes does not come about; the message is a sentence for an operator.</summary>
internal sealed class NodeRefusedException(string message, Exception? cause = null) : Exception(message, cause);
