using System.Net.Sockets;
using Akka.Streams;
using Akka.Streams.Dsl;
using Policyd.Actors.Connections;
using Policyd.Protocol;

namespace Policyd.Actors.Listeners;

/// <summary>A connection that was let in, and the stream that serves it.</summary>
internal sealed record AcceptedConnection(Socket Socket, ManagedConnection Managed, PolicyEndpoint Listener)
{
    /// <summary>Runs the whole of a connection as one graph without an asynchronous boundary: one actor.</summary>
    public void Serve(ServerContext server, IMaterializer materializer)
    {
        try
        {
            Run(server, materializer);
        }
        catch (Exception e)
        {
            // A peer that is gone already must not end the listener's stream.
            server.Troubles.Failed("a peer", Listener, e);
            Socket.Dispose();
            server.Connections.Leave(Managed);
        }
    }

    private void Run(ServerContext server, IMaterializer materializer)
    {
        if (!Listener.IsUnix)
        {
            Socket.NoDelay = true;   // an answer is one small packet; it must not wait for the acknowledgement of the last
        }

        var peer = Listener.IsUnix ? "a local process" : Socket.RemoteEndPoint?.ToString() ?? "?";
        var connection = Managed;
        var serving = server.Serving;
        var requests = Flow.FromGraph(new PolicyFraming(serving.Limits, TimeSpan.FromMilliseconds(serving.RequestTimeout), connection))
            .Via(new RequestStage(server, Listener, connection, peer));
        Flow.FromGraph(new SocketStage(Socket, server.Poll, () => server.Connections.Leave(connection))).Join(requests).Run(materializer);
    }
}
