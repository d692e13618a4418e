using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Backends.Smtp;

/// <summary>
/// One connection to one server, for one question. Every wait has an end: for the connection, for each reply as a whole, and the caller's.
/// </summary>
internal sealed class SmtpCall : IDisposable
{
    private static readonly TimeSpan s_connectTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_replyTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_farewellTime = TimeSpan.FromSeconds(2);

    private readonly SmtpReplyReader _replies = new();
    private readonly byte[] _buffer = new byte[1024];
    private readonly Socket _socket;
    private readonly CancellationTokenSource _step;

    private SmtpCall(AddressFamily family, CancellationToken ct)
    {
        _socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _step = CancellationTokenSource.CreateLinkedTokenSource(ct);
    }

    /// <summary>Dials, and asks.</summary>
    /// <returns>The reply that decides, and whether it is about us only.</returns>
    /// <exception cref="SocketException">Nobody listens, or the connection broke.</exception>
    /// <exception cref="SmtpException">The server does not speak SMTP, or left.</exception>
    /// <exception cref="OperationCanceledException">A wait was over.</exception>
    public static async Task<SmtpMove> AskAsync(IPEndPoint server, SmtpConversation conversation, CancellationToken ct)
    {
        var call = new SmtpCall(server.AddressFamily, ct);
        try
        {
            call._step.CancelAfter(s_connectTime);
            await call._socket.ConnectAsync(server, call._step.Token).ConfigureAwait(false);
            while (true)
            {
                var move = conversation.Next(await call.ReceiveAsync().ConfigureAwait(false));
                if (move.Say is not { } command)
                {
                    // The mail need not wait for the farewell.
                    _ = call.SayGoodbyeAsync();
                    return move;
                }

                await call.SendAsync(command, call._step.Token).ConfigureAwait(false);
            }
        }
        catch
        {
            call.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _step.Dispose();
    }

    private async Task<SmtpReply> ReceiveAsync()
    {
        _step.CancelAfter(s_replyTime);
        while (true)
        {
            var read = await _socket.ReceiveAsync(_buffer, _step.Token).ConfigureAwait(false);
            if (read == 0)
            {
                throw new SmtpException("it closed the connection");
            }

            if (_replies.Read(_buffer.AsSpan(0, read)) is { } reply)
            {
                return reply;
            }
        }
    }

    private async Task SendAsync(string command, CancellationToken ct)
    {
        ReadOnlyMemory<byte> bytes = Encoding.UTF8.GetBytes(command + "\r\n");
        while (bytes.Length > 0)
        {
            bytes = bytes[await _socket.SendAsync(bytes, ct).ConfigureAwait(false)..];
        }
    }

    private async Task SayGoodbyeAsync()
    {
        using var timeout = new CancellationTokenSource(s_farewellTime);
        try
        {
            await SendAsync("QUIT", timeout.Token).ConfigureAwait(false);

            // Until the server has answered or closed: else it would log a connection that broke.
            await _socket.ReceiveAsync(_buffer, timeout.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            // The answer is there already.
        }
        finally
        {
            Dispose();
        }
    }
}
