using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>
/// A server that answers whatever comes with the same bytes, or with silence, and keeps the connection open or closes it: how a source
/// misbehaves. Over TCP, or over a UNIX socket when a path is given.
/// </summary>
internal sealed class OneAnswerServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Socket> _sockets = [];
    private readonly byte[] _answer;
    private readonly bool _closes;
    private readonly Task _serving;
    private int _connections;

    public OneAnswerServer(byte[] answer, bool closes = false, string? path = null)
    {
        (_answer, _closes) = (answer, closes);
        EndPoint endPoint = path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path);
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(endPoint);
        _listener.Listen();
        _serving = Serve();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public int Connections => Volatile.Read(ref _connections);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        foreach (var socket in _sockets)
        {
            socket.Dispose();
        }

        _stop.Dispose();
    }

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_stop.Token);
                Interlocked.Increment(ref _connections);
                _sockets.Add(socket);
                _ = Answer(socket);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task Answer(Socket socket)
    {
        try
        {
            var buffer = new byte[16 * 1024];
            while (await socket.ReceiveAsync(buffer, _stop.Token) > 0)
            {
                for (var sent = 0; sent < _answer.Length;)
                {
                    sent += await socket.SendAsync(_answer.AsMemory(sent), _stop.Token);
                }

                if (_closes)
                {
                    socket.Shutdown(SocketShutdown.Both);
                    return;
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client has had enough.
        }
    }
}
