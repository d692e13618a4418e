using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>An HTTP server that answers, or does not, as a test says: byte by byte where it likes.</summary>
internal sealed class ScriptedHttpServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly AcceptLoop _clients;
    private int _connections;
    private int _open;
    private int _mostOpen;

    public ScriptedHttpServer(Func<Stream, CancellationToken, Task> answer, int port = 0)
    {
        Answer = answer;
        _clients = new AcceptLoop(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, port), ServeAsync);
    }

    /// <summary>What is sent after each request.</summary>
    public Func<Stream, CancellationToken, Task> Answer { get; set; }

    public int Port => _clients.Port;

    /// <summary>The whole heads of the requests.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    /// <summary>How many connections were made, are open, and were at the same time.</summary>
    public (int Made, int Open, int MostOpen) Connections =>
        (Volatile.Read(ref _connections), Volatile.Read(ref _open), Volatile.Read(ref _mostOpen));

    /// <summary>An answer with its length.</summary>
    public static Func<Stream, CancellationToken, Task> Says(string body, string status = "200 OK", string headers = "") =>
        (stream, stop) => stream.WriteAsync(
            Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\n{headers}\r\n{body}"), stop).AsTask();

    /// <summary>It takes the request and never says a word.</summary>
    public static Func<Stream, CancellationToken, Task> Silence { get; } = static (_, stop) => Task.Delay(Timeout.Infinite, stop);

    /// <summary>It begins at once, and then sends a byte now and then.</summary>
    public static async Task Trickle(Stream stream, CancellationToken stop)
    {
        await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"u8.ToArray(), stop);
        while (true)
        {
            await stream.WriteAsync("x"u8.ToArray(), stop);
            await Task.Delay(20, stop);
        }
    }

    /// <summary>It never ends.</summary>
    public static async Task Endless(Stream stream, CancellationToken stop)
    {
        await stream.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"u8.ToArray(), stop);
        while (true)
        {
            await stream.WriteAsync(new byte[16 * 1024], stop);
        }
    }

    public ValueTask DisposeAsync() => _clients.DisposeAsync();

    private async Task ServeAsync(Socket socket, CancellationToken stop)
    {
        Interlocked.Increment(ref _connections);
        var open = Interlocked.Increment(ref _open);
        lock (_requests)
        {
            _mostOpen = Math.Max(_mostOpen, open);
        }

        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            while (await ReadAsync(stream, stop))
            {
                await Answer(stream, stop);
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException)
        {
            // The client has had enough, or the test.
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private async Task<bool> ReadAsync(NetworkStream stream, CancellationToken stop)
    {
        var head = new StringBuilder();
        var letter = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            // What speaks TLS here is answered at once with what is none.
            if (await stream.ReadAsync(letter, stop) == 0 || letter[0] == 0x16)
            {
                if (letter[0] == 0x16)
                {
                    await stream.WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), stop);
                }

                return false;
            }

            head.Append((char)letter[0]);
        }

        _requests.Enqueue(head.ToString());
        return true;
    }
}
