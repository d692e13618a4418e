using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Policyd.Bench.Load;

/// <summary>
/// Linux epoll, level-triggered. .NET's own socket engine hands each completion to the thread pool; the load generator
/// shares the processors with the server that it measures, so it waits for all its sockets in one thread and hands nothing over.
/// </summary>
internal sealed partial class Epoll : IDisposable
{
    private const int MaxEvents = 256;

    private readonly byte[] _events = new byte[MaxEvents * EpollCalls.EventSize];
    private readonly int _descriptor;

    public Epoll()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("The load generator waits with epoll, which only Linux has.");
        }

        _descriptor = EpollCalls.Create();
    }

    private enum Operation
    {
        Add = 1,
        Remove = 2,
        Modify = 3,
    }

    [Flags]
    private enum Interest : uint
    {
        Readable = 0x001,
        Writable = 0x004,
    }

    public void Add(Socket socket, int tag) => Control(Operation.Add, socket, Interest.Readable, tag);

    public void Remove(Socket socket) => Control(Operation.Remove, socket, Interest.Readable, 0);

    /// <summary>Also reports the socket when it takes bytes again, or no longer does.</summary>
    public void WatchWritable(Socket socket, int tag, bool watch) =>
        Control(Operation.Modify, socket, watch ? Interest.Readable | Interest.Writable : Interest.Readable, tag);

    /// <summary>Waits for at most the given time; returns how many sockets are ready, to be named by <see cref="Tag"/>.</summary>
    public int Wait(int milliseconds) => EpollCalls.Wait(_descriptor, _events, milliseconds);

    /// <summary>The same to the nanosecond: a request that is due in half a millisecond is sent then.</summary>
    public int Wait(TimeSpan time) =>
        EpollCalls.Arrived(Wait(_descriptor, ref _events[0], MaxEvents, Timespec.Of(time), 0));

    public int Tag(int index) => EpollCalls.Data(_events.AsSpan(index * EpollCalls.EventSize));

    public void Dispose() => _ = EpollCalls.Close(_descriptor);

    [LibraryImport("libc", EntryPoint = "epoll_pwait2", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, in Timespec limit, nint signals);

    private void Control(Operation operation, Socket socket, Interest interest, int tag)
    {
        // The descriptor lives as long as the socket, which the caller holds.
        var descriptor = (int)socket.SafeHandle.DangerousGetHandle();
        EpollCalls.Control(_descriptor, (int)operation, descriptor, (uint)interest, tag);
    }
}
