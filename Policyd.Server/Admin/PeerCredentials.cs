using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Policyd.Server.Admin;

/// <summary>Who is at the other end of a socket, for the log.</summary>
internal static class PeerCredentials
{
    // socket(7) and unix(7) of Linux: SOL_SOCKET, SO_PEERCRED, and struct ucred { pid, uid, gid }.
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    public static AdminCaller CallerOf(Socket socket)
    {
        try
        {
            if (socket.AddressFamily != AddressFamily.Unix)
            {
                return new AdminCaller(socket.RemoteEndPoint?.ToString() ?? "somebody");
            }

            Span<int> credentials = stackalloc int[3];
            if (OperatingSystem.IsLinux() && socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(credentials)) == 12)
            {
                return new AdminCaller(string.Create(CultureInfo.InvariantCulture, $"uid {(uint)credentials[1]}"));
            }
        }
        catch (SocketException)
        {
            // It has gone already; who it was matters no more.
        }

        return new AdminCaller("an unknown user of the socket");
    }
}
