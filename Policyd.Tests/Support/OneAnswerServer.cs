using System.Collections.Concurrent;
using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>
/// A server that answers whatever comes with the same bytes, or with silence, and keeps the connection open or closes it: how a source
/// misbehaves. Over TCP, or over a UNIX socket when a path is given.
/// </summary>
internal sealed class OneAnswerServer : IAsyncDisposable
{
    private readonly ConcurrentBag<Socket> _sockets = [];
    private readonly byte[] _answer;
    private readonly bool _closes;
    private readonly AcceptLoop _clients;

    public OneAnswerServer(byte[] answer, bool closes = false, string? path = null)
    {
        (_answer, _closes) = (answer, closes);
        _clients = new AcceptLoop(Answer, path);
    }

    public int Port => _clients.Port;

    public int Connections => _sockets.Count;

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        foreach (var socket in _sockets)
        {
            socket.Dispose();
        }
    }

    private async Task Answer(Socket socket, CancellationToken stop)
    {
        _sockets.Add(socket);
        try
        {
            var buffer = new byte[16 * 1024];
            while (await socket.ReceiveAsync(buffer, stop) > 0)
            {
                for (var sent = 0; sent < _answer.Length;)
                {
                    sent += await socket.SendAsync(_answer.AsMemory(sent), stop);
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
