using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Support;

/// <summary>
/// A mail server on loopback that takes every address, but for what a test scripts: other replies, silence, nonsense, or a connection that
/// ends.
/// </summary>
internal sealed class ScriptedSmtpServer : IAsyncDisposable
{
    private const string Greeting = "GREETING";
    private readonly ConcurrentDictionary<string, (byte[] Reply, bool Closes)> _script = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentQueue<string> _commands = new();
    private readonly ConcurrentBag<Socket> _sockets = [];
    private readonly AcceptLoop _clients;
    private int _ended;

    public ScriptedSmtpServer(string address = "127.0.0.1", int port = 0)
    {
        foreach (var (command, reply) in new[]
        {
            (Greeting, "220 mx.test ESMTP"), ("EHLO", "250-mx.test\r\n250-SIZE 10000\r\n250-STARTTLS\r\n250 HELP"),
            ("HELO", "250 mx.test"), ("MAIL", "250 2.1.0 Ok"), ("RCPT", "250 2.1.5 Ok"), ("QUIT", "221 2.0.0 Bye")
        })
        {
            On(command, reply);
        }

        _clients = new AcceptLoop(new IPEndPoint(IPAddress.Parse(address), port), ServeAsync);
    }

    public int Port => _clients.Port;

    public int Connections => _sockets.Count;

    /// <summary>How many connections the client has ended, or we.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>Every line that came, of all connections.</summary>
    public IReadOnlyList<string> Commands => [.. _commands];

    public IEnumerable<string> CommandsOf(string verb) =>
        _commands.Where(command => Verb(command).Equals(verb, StringComparison.OrdinalIgnoreCase));

    /// <summary>What is replied to a command (or said as GREETING): the lines without the last line end.</summary>
    public ScriptedSmtpServer On(string command, string reply) => OnRaw(command, reply + "\r\n");

    /// <summary>The same to the byte, each a character: nothing is a silence. The connection may end behind it.</summary>
    public ScriptedSmtpServer OnRaw(string command, string bytes, bool closes = false)
    {
        _script[command] = (Encoding.Latin1.GetBytes(bytes), closes);
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        foreach (var socket in _sockets)
        {
            socket.Dispose();
        }
    }

    private static string Verb(string command) => command.Split(' ', ':')[0];

    private async Task ServeAsync(Socket socket, CancellationToken stop)
    {
        _sockets.Add(socket);
        try
        {
            await using var stream = new NetworkStream(socket);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            var command = Greeting;
            while (true)
            {
                // A command of one address stands before that of all: "RCPT TO:<a@x.test>".
                var (reply, closes) = _script.TryGetValue(command, out var exact)
                    ? exact
                    : _script.GetValueOrDefault(Verb(command), ("500 what?\r\n"u8.ToArray(), false));
                await stream.WriteAsync(reply, stop);
                if (closes || (command = await reader.ReadLineAsync(stop)) is null)
                {
                    break;
                }

                _commands.Enqueue(command);
            }

            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException
            or ObjectDisposedException)
        {
            // The client has had enough.
        }
        finally
        {
            Interlocked.Increment(ref _ended);
        }
    }
}
