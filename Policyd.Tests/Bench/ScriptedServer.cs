using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Bench;

/// <summary>
/// A server whose answers a test writes: for each request, by its number over all connections and its text, what to send; null closes.
/// </summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<int, string, ValueTask<byte[]?>> _answer;
    private int _requests;

    public ScriptedServer(Func<int, ValueTask<byte[]?>> answer)
        : this((number, _) => answer(number))
    {
    }

    public ScriptedServer(Func<int, string, ValueTask<byte[]?>> answer)
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

                var request = Encoding.UTF8.GetString(buffer, 0, received);
                received = 0;
                if (await _answer(Interlocked.Increment(ref _requests) - 1, request) is not { } answer)
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
