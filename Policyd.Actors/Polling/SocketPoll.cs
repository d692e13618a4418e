using System.Net.Sockets;

namespace Policyd.Actors.Polling;

/// <summary>
/// Tells the readers of sockets when there is something to read, on a thread that then takes the request as far as it goes: to its answer,
/// unless a plugin waits. (.NET's own socket engine wakes a thread of the pool for that, which wakes another to look for more.)
/// </summary>
internal abstract class SocketPoll : IDisposable
{
    /// <summary>The one of this system.</summary>
    public static SocketPoll Start() => OperatingSystem.IsLinux() ? new EpollThreads() : new ZeroByteReads();

    /// <summary>Watches a socket that does not block. Its reader is told of what is there already, too.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="reader">Who reads it.</param>
    /// <returns>What <see cref="Remove"/> is to be called with, before the socket is closed.</returns>
    public abstract int Add(Socket socket, IReadable reader);

    /// <summary>The reader has read all that it was told of, and waits for more.</summary>
    public abstract void Await(Socket socket, IReadable reader);

    /// <summary>Watches it no longer. One last call of its reader may be under way.</summary>
    public abstract void Remove(int watched);

    /// <summary>Tells nobody any more. Harmless when called twice.</summary>
    public abstract void Dispose();
}
