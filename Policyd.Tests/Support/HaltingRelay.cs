using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>A way to a server that can stop in the middle of what clients send, and keeps all connections open then.</summary>
internal sealed class HaltingRelay : IAsyncDisposable
{
    private readonly AcceptLoop _clients;
    private readonly Func<Socket> _connect;
    private int _left = int.MaxValue;
    private bool _isOver;

    /// <param name="connect">Connects to the server.</param>
    public HaltingRelay(Func<Socket> connect)
    {
        _connect = connect;
        _clients = new AcceptLoop(ServeAsync);
    }

    public int Port => _clients.Port;

    /// <summary>Whether it has stopped in the middle of something.</summary>
    public bool HasHalted => Volatile.Read(ref _left) == 0;

    /// <summary>Of what clients send from now on, only so many bytes come through.</summary>
    public void HaltAfter(int bytes) => Volatile.Write(ref _left, bytes);

    /// <summary>Ends all connections, and may be called again.</summary>
    public ValueTask DisposeAsync() => Interlocked.Exchange(ref _isOver, true) ? ValueTask.CompletedTask : _clients.DisposeAsync();

    private async Task ServeAsync(Socket client, CancellationToken ct)
    {
        try
        {
            await using var here = new NetworkStream(client, ownsSocket: true);
            await using var there = new NetworkStream(_connect(), ownsSocket: true);
            await Task.WhenAny(SendAsync(here, there, ct), there.CopyToAsync(here, ct));
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
        {
            client.Dispose();
        }
    }

    private async Task SendAsync(NetworkStream from, NetworkStream to, CancellationToken ct)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReadAsync(buffer, ct) is > 0 and var read)
        {
            var some = Math.Min(read, Volatile.Read(ref _left));
            await to.WriteAsync(buffer.AsMemory(0, some), ct);
            if (_left != int.MaxValue && Interlocked.Add(ref _left, -some) == 0)
            {
                await Task.Delay(Timeout.Infinite, ct);
            }
        }
    }
}
