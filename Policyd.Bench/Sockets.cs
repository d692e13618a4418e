using System.Net;
using System.Net.Sockets;

namespace Policyd.Bench;

/// <summary>Sockets as the load generator, the echo and the idle connections open them.</summary>
public static class Sockets
{
    /// <summary>A new socket of the end point's family, without Nagle's delay: it would add 40 ms to a request in two segments.</summary>
    public static Socket Create(EndPoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        return endpoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    }

    /// <summary>Connects, and gives up after <paramref name="timeout"/>.</summary>
    /// <exception cref="SocketException">Refused, unreachable, or not within the time.</exception>
    public static Socket Connect(EndPoint endpoint, TimeSpan timeout)
    {
        var socket = Create(endpoint);
        try
        {
            // Linux bounds a blocking connect by the send time-out.
            socket.SendTimeout = (int)timeout.TotalMilliseconds;
            socket.Connect(endpoint);
            socket.SendTimeout = 0;
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
