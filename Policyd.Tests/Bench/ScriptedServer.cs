using System.Net;
using System.Net.Sockets;

namespace Policyd.Tests.Bench;

/// <summary>A server whose answers a test writes: for each request, by its number over all connections, what to send; null closes.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<int, ValueTask<byte[]?>> _answer;
    private int _requests;

    public ScriptedServer(Func<int, ValueTask<byte[]?>> answer)
    {
        _answer = answer;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _ = AcceptAsync();
    }

    public EndPoint Endpoint => _listener.LocalEndPoint!;

    public int Requests => Volatile.Read(ref _requests);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptAsync());
            }
        }
        catch (Exception reason) when (reason is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var _ = socket;
        var buffer = new byte[65536];
        try
        {
            for (var received = 0; ;)
            {
                var count = await socket.ReceiveAsync(buffer.AsMemory(received));
                received += count;
                if (count == 0)
                {
                    return;
                }

                if (!buffer.AsSpan(0, received).EndsWith("\n\n"u8))
                {
                    continue;
                }

                received = 0;
                if (await _answer(Interlocked.Increment(ref _requests) - 1) is not { } answer)
                {
                    return;
                }

                await socket.SendAsync(answer);
            }
        }
        catch (SocketException)
        {
            // The generator gave the connection up.
        }
    }
}
