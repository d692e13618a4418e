using System.Net;
using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>Accepts connections and has each served beside the others, until the test is over.</summary>
internal sealed class AcceptLoop : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    /// <summary>On a free port of loopback, or on a UNIX socket when a path is given. Who serves disposes the socket.</summary>
    public AcceptLoop(Func<Socket, CancellationToken, Task> serve, string? path = null)
        : this(path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path), serve)
    {
    }

    public AcceptLoop(EndPoint endPoint, Func<Socket, CancellationToken, Task> serve)
    {
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(endPoint);
        _listener.Listen();
        _accepting = AcceptAsync(serve);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync(Func<Socket, CancellationToken, Task> serve)
    {
        try
        {
            while (true)
            {
                _ = serve(await _listener.AcceptAsync(_stop.Token), _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }
}
