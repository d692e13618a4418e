using System.Net;
using System.Net.Sockets;

namespace Policyd.Bench.Echo;

/// <summary>
/// The ceiling that a server in .NET is measured against: plain asynchronous sockets that answer
/// "action=dunno" to each request and look at nothing but where it ends.
/// </summary>
public sealed class EchoServer : IDisposable
{
    private const int Backlog = 4096;
    private const int BufferSize = 4096;

    private readonly Socket _listener;

    public EchoServer(EndPoint endpoint)
    {
        _listener = Sockets.Create(endpoint);
        _listener.Bind(endpoint);
        _listener.Listen(Backlog);
    }

    /// <summary>Where it listens, with the port that the system chose for port 0.</summary>
    public EndPoint Endpoint => _listener.LocalEndPoint!;

    /// <summary>Accepts until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(cancellation).ConfigureAwait(false);
                _ = ServeAsync(socket, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    public void Dispose() => _listener.Dispose();

    private static async Task ServeAsync(Socket socket, CancellationToken cancellation)
    {
        using var _ = socket;
        var buffer = new byte[BufferSize];
        var answer = "action=dunno\n\n"u8.ToArray();
        var counter = new EmptyLineCounter();
        try
        {
            if (socket.AddressFamily != AddressFamily.Unix)
            {
                socket.NoDelay = true;
            }

            for (var received = await socket.ReceiveAsync(buffer, cancellation).ConfigureAwait(false);
                 received > 0;
                 received = await socket.ReceiveAsync(buffer, cancellation).ConfigureAwait(false))
            {
                for (var ends = counter.Count(buffer.AsSpan(0, received)); ends > 0; ends--)
                {
                    await socket.SendAsync(answer, cancellation).ConfigureAwait(false);
                }
            }
        }
        catch (Exception reason) when (reason is SocketException or OperationCanceledException)
        {
            // The client went away or the echo ends: both close the connection, which is all there is to do.
        }
    }
}
