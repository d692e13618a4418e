using System.Net.Sockets;

namespace Policyd.Actors.Listeners;

/// <summary>
/// Removes the file that a server which died left where a UNIX socket is to be bound: only a socket, and only when nobody
/// answers on it. Anything else there is left alone, and the bind fails.
/// </summary>
internal static class StaleSocketFile
{
    public static async Task RemoveAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            if (!IsSocket(path))
            {
                throw new IOException("a file that is not a socket has this name");
            }

            File.Delete(path);
            return;
        }

        throw new IOException("another server is listening on it");
    }

    // A connect to a file that is no socket is refused too. .NET names no such file type, but only a socket cannot be opened.
    private static bool IsSocket(string path)
    {
        if (File.GetAttributes(path).HasFlag(FileAttributes.Directory) || new FileInfo(path).Length > 0)
        {
            return false;
        }

        try
        {
            using var file = File.OpenHandle(path);
            return false;
        }
        catch (Exception e) when (e is IOException)
        {
            return true;
        }
    }
}
