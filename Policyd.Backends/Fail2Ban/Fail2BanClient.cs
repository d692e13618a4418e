using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Fail2Ban;

namespace Policyd.Backends.Fail2Ban;

/// <summary>
/// Sends one command to fail2ban, over a connection of its own: bans are rare, and fail2ban holds a thread for whoever stays.
/// </summary>
internal sealed class Fail2BanClient : IFail2Ban
{
    private const int MaxReplyBytes = 64 * 1024;

    public ValueTask<Fail2BanReply> BanAsync(string socket, string jail, IPAddress address, CancellationToken ct) =>
        AskAsync(socket, Fail2BanProtocol.Command("set", jail, "banip", address.ToString()), ct);

    /// <exception cref="SocketException">fail2ban is away.</exception>
    /// <exception cref="FileNotFoundException">Its socket is not there.</exception>
    /// <exception cref="InvalidDataException">It answered something else than a reply.</exception>
    public static async ValueTask<Fail2BanReply> AskAsync(string path, ReadOnlyMemory<byte> command, CancellationToken ct)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), ct).ConfigureAwait(false);
        }
        catch (SocketException exception) when (!File.Exists(path))
        {
            // The system's word for a path that leads nowhere would be "Cannot assign requested address".
            throw new FileNotFoundException("the socket does not exist", exception);
        }

        while (command.Length > 0)
        {
            command = command[await socket.SendAsync(command, ct).ConfigureAwait(false)..];
        }

        var reply = new byte[4096];
        var length = 0;
        while (true)
        {
            if (length == reply.Length)
            {
                if (length >= MaxReplyBytes)
                {
                    throw new InvalidDataException("the reply has no end");
                }

                Array.Resize(ref reply, reply.Length * 2);
            }

            var read = await socket.ReceiveAsync(reply.AsMemory(length), ct).ConfigureAwait(false);
            if (read == 0)
            {
                throw new InvalidDataException("the connection was closed in the middle of the reply");
            }

            // The end may come in two pieces: look for it from where its first byte may be.
            var from = Math.Max(0, length - Fail2BanProtocol.End.Length + 1);
            length += read;
            var end = reply.AsSpan(from, length - from).IndexOf(Fail2BanProtocol.End);
            if (end >= 0)
            {
                return Fail2BanProtocol.Read(reply.AsSpan(0, from + end))
                    ?? throw new InvalidDataException("the reply is not in fail2ban's format");
            }
        }
    }
}
