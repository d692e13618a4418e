using Akka.Actor.Setup;
using Policyd.Engine.Clustering;

namespace Policyd.Actors.Network;

/// <summary>What the transport between nodes needs and a text of settings cannot hold.</summary>
/// <param name="identity">How this node proves itself and checks its peers; null: without TLS.</param>
internal sealed class NodeTransportSetup(NodeIdentitySource? identity) : Setup
{
    public NodeIdentitySource? Identity { get; } = identity;

    /// <summary>For those who talk to other nodes around Akka.</summary>
    public DirectConnections Direct { get; } = new();

    /// <summary>For the options of a cluster; the files are read at the first handshake.</summary>
    public static NodeTransportSetup For(ClusterOptions options) =>
        new(options.Tls is { } tls ? new NodeIdentitySource(tls) : null);
}
