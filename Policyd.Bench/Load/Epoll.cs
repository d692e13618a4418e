using System.Buffers.Binary;
using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Policyd.Bench.Load;

/// <summary>
/// Linux epoll, level-triggered. .NET's own socket engine hands each completion to the thread pool; the load generator
/// shares the processors with the server that it measures, so it waits for all its sockets in one thread and hands nothing over.
/// </summary>
internal sealed partial class Epoll : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int Interrupted = 4;
    private const int MaxEvents = 256;

    // struct epoll_event is packed on x86 only: 32 bits of flags, then 64 of data.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 4 : 8;
    private static readonly int EventSize = DataOffset + sizeof(long);

    private readonly byte[] _events = new byte[MaxEvents * EventSize];
    private readonly int _descriptor;

    public Epoll()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("The load generator waits with epoll, which only Linux has.");
        }

        _descriptor = Create(CloseOnExec);
        ThrowIfFailed(_descriptor);
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
    public int Wait(int milliseconds) => Checked(Wait(_descriptor, ref _events[0], MaxEvents, milliseconds));

    /// <summary>The same to the nanosecond: a request that is due in half a millisecond is sent then.</summary>
    public int Wait(TimeSpan time) => Checked(Wait(_descriptor, ref _events[0], MaxEvents, Timespec.Of(time), 0));

    public int Tag(int index) => (int)BinaryPrimitives.ReadInt64LittleEndian(_events.AsSpan((index * EventSize) + DataOffset));

    public void Dispose() => _ = Close(_descriptor);

    private static int Checked(int ready)
    {
        if (ready < 0 && Marshal.GetLastPInvokeError() == Interrupted)
        {
            return 0;
        }

        ThrowIfFailed(ready);
        return ready;
    }

    private static void ThrowIfFailed(int result)
    {
        if (result < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int descriptor, ref byte interest);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, int milliseconds);

    [LibraryImport("libc", EntryPoint = "epoll_pwait2", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, in Timespec limit, nint signals);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private void Control(Operation operation, Socket socket, Interest interest, int tag)
    {
        Span<byte> wanted = stackalloc byte[EventSize];
        BinaryPrimitives.WriteUInt32LittleEndian(wanted, (uint)interest);
        BinaryPrimitives.WriteInt64LittleEndian(wanted[DataOffset..], tag);
        // The descriptor lives as long as the socket, which the caller holds.
        var descriptor = (int)socket.SafeHandle.DangerousGetHandle();
        ThrowIfFailed(Control(_descriptor, (int)operation, descriptor, ref wanted[0]));
    }
}
