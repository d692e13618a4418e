using System.Net.Sockets;

namespace Policyd.Bench.Load;

/// <summary>One request and its answer on a blocking socket: for what is asked once, outside of a load.</summary>
internal static class SingleRequest
{
    private const int MaxReply = 8192;

    private static readonly byte[] Request = Make();

    /// <summary>Asks and reads to the empty line.</summary>
    /// <exception cref="SocketException">The server closes, or gives no answer within the time.</exception>
    public static void Ask(Socket socket, TimeSpan timeout)
    {
        socket.ReceiveTimeout = (int)timeout.TotalMilliseconds;
        socket.Send(Request);
        var reply = new byte[MaxReply];
        var received = 0;
        while (!reply.AsSpan(0, received).EndsWith("\n\n"u8))
        {
            var count = socket.Receive(reply.AsSpan(received));
            received += count > 0 ? count : throw new SocketException((int)SocketError.ConnectionReset);
        }
    }

    private static byte[] Make()
    {
        var template = RequestTemplate.Compile([], DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        var buffer = new byte[template.MaxLength];
        return buffer[..template.Write(buffer, default)];
    }
}
