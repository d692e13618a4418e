using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Server;

/// <summary>A policy server whose answers a test chooses; it remembers each connection's requests.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<string, string?> _answer;
    private readonly List<List<string>> _connections = [];
    private readonly Task _accepting;

    /// <summary>A server that writes what <paramref name="answer"/> makes of a request, or closes at null.</summary>
    public ScriptedServer(Func<string, string?> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>The requests (without the closing empty line), by connection.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Connections
    {
        get
        {
            lock (_connections)
            {
                return [.. _connections.Select(requests => requests.ToArray())];
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync()));
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            var requests = new List<string>();
            lock (_connections)
            {
                _connections.Add(requests);
            }

            using var reader = new StreamReader(client.GetStream());
            var request = new StringBuilder();
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.Length > 0)
                {
                    request.Append(line).Append('\n');
                    continue;
                }

                var text = request.ToString();
                request.Clear();
                lock (_connections)
                {
                    requests.Add(text);
                }

                if (_answer(text) is not { } answer)
                {
                    return;
                }

                await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(answer));
            }
        }
    }
}
