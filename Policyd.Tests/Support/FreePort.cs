using System.Net;
using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>
/// A TCP port that nobody listens on at the moment, for programs that cannot be told "any". Each is given once, and all lie below those
/// that the system gives to outgoing connections: a client of another test would else have the port before the server that it is meant for.
/// They lie above those of Policyd.Bench, which finds its own while its tests run beside the others.
/// </summary>
internal static class FreePort
{
    private const int First = 22_000;
    private const int Count = 10_000;
    private static int s_last = Random.Shared.Next(Count);

    public static int Next()
    {
        for (var tries = 0; tries < Count; tries++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref s_last) % Count);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // Somebody else's.
            }
        }

        throw new InvalidOperationException($"no port from {First} to {First + Count} is free");
    }

    public static bool Answers(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
