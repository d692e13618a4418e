using Akka.Actor;

namespace Policyd.Actors.Network;

/// <summary>
/// Connections between nodes beside Akka's, for messages that cross so often that Akka's way is too dear: there a message goes through
/// three actors on each side. They have the address, the handshake and the certificates of Akka's. The transport serves them.
/// </summary>
internal sealed class DirectConnections
{
    private Func<Address, Task<FramedStream>>? _dial;

    /// <summary>Is given each that another node has dialled, with that node's address; null: none is taken yet.</summary>
    public Action<FramedStream, Address>? Accepted { get; set; }

    /// <summary>The transport is there.</summary>
    public void ServedBy(Func<Address, Task<FramedStream>> dial) => _dial = dial;

    /// <summary>Connects to a node. Fails when that does not succeed; the log has told the reason.</summary>
    public Task<FramedStream> DialAsync(Address node) =>
        _dial is { } dial ? dial(node) : throw new InvalidOperationException("no transport serves direct connections");
}
