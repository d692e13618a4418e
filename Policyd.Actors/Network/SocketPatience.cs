using System.Net.Sockets;

namespace Policyd.Actors.Network;

/// <summary>
/// How long a connection lasts whose peer acknowledges nothing. TCP's own patience is a quarter of an hour, and after a silence it tries
/// again ever more seldom: a connection would go on late after a cut that has long ended.
/// </summary>
internal static class SocketPatience
{
    private const int Tcp = 6;
    private const int UserTimeout = 18;   // TCP_USER_TIMEOUT of Linux; .NET has no name for it

    /// <summary>The connection ends when what was sent is not acknowledged for so long.</summary>
    public static void Bound(Socket socket, TimeSpan silence)
    {
        if (OperatingSystem.IsLinux())
        {
            Span<byte> milliseconds = stackalloc byte[sizeof(int)];
            BitConverter.TryWriteBytes(milliseconds, (int)silence.TotalMilliseconds);
            socket.SetRawSocketOption(Tcp, UserTimeout, milliseconds);
        }
    }
}
