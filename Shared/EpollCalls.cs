using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Policyd;

/// <summary>
/// The system calls of Linux epoll and the bytes of its events. Compiled into Policyd.Actors, which answers requests, and Policyd.Bench,
/// which makes them and must not share a thread's way of waiting with what it measures.
/// </summary>
internal static partial class EpollCalls
{
    private const int CloseOnExec = 0x80000;
    private const int Interrupted = 4;

    // struct epoll_event is packed on x86 only: 32 bits of flags, then 64 of data.
    private static readonly int s_dataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 4 : 8;

    /// <summary>Bytes of one event.</summary>
    public static int EventSize => s_dataOffset + sizeof(long);

    /// <summary>A new epoll.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public static int Create() => Checked(Create(CloseOnExec));

    /// <summary>Changes what is watched of a descriptor.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public static void Control(int epoll, int operation, int descriptor, uint flags, int data)
    {
        Span<byte> wanted = stackalloc byte[EventSize];
        BinaryPrimitives.WriteUInt32LittleEndian(wanted, flags);
        BinaryPrimitives.WriteInt64LittleEndian(wanted[s_dataOffset..], data);
        Checked(Control(epoll, operation, descriptor, ref wanted[0]));
    }

    /// <summary>How many events came; 0 also when a signal ended the wait.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public static int Wait(int epoll, Span<byte> events, int milliseconds) =>
        Arrived(Wait(epoll, ref events[0], events.Length / EventSize, milliseconds));

    /// <summary>What came of a wait; 0 when a signal ended it.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public static int Arrived(int result) => result < 0 && Marshal.GetLastPInvokeError() == Interrupted ? 0 : Checked(result);

    /// <summary>The flags of an event.</summary>
    public static uint Flags(ReadOnlySpan<byte> told) => BinaryPrimitives.ReadUInt32LittleEndian(told);

    /// <summary>What was given with its descriptor.</summary>
    public static int Data(ReadOnlySpan<byte> told) => (int)BinaryPrimitives.ReadInt64LittleEndian(told[s_dataOffset..]);

    /// <summary>The result of a call.</summary>
    /// <exception cref="Win32Exception">It failed.</exception>
    public static int Checked(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int descriptor, ref byte interest);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, int milliseconds);
}
