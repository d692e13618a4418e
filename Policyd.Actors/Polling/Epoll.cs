using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Policyd.Actors.Polling;

/// <summary>Linux epoll, edge-triggered: an event is told once, to one of the threads that wait.</summary>
[SupportedOSPlatform("linux")]
internal sealed partial class Epoll : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int Interrupted = 4;
    private const int Add = 1;

    // struct epoll_event is packed on x86 only: 32 bits of flags, then 64 of data.
    private static readonly int s_dataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 4 : 8;
    private static readonly int s_eventSize = s_dataOffset + sizeof(long);

    private readonly int _descriptor;
    private readonly int _waker;

    public Epoll()
    {
        _descriptor = Checked(Create(CloseOnExec));
        _waker = Checked(EventDescriptor(0, CloseOnExec | NonBlocking));
        Watch(_waker, Flags.Readable);
    }

    [Flags]
    private enum Flags : uint
    {
        Readable = 0x001,
        Error = 0x008,
        HungUp = 0x010,
        PeerEnded = 0x2000,
        Edge = 0x8000_0000,
    }

    /// <summary>Watches it until it is closed.</summary>
    public void Watch(int descriptor) => Watch(descriptor, Flags.Readable | Flags.PeerEnded | Flags.Edge);

    /// <summary>Waits for the next event. False when <see cref="Stop"/> was called.</summary>
    /// <param name="descriptor">Which.</param>
    /// <param name="hasEnded">Whether nothing comes after it.</param>
    public bool Wait(out int descriptor, out bool hasEnded)
    {
        Span<byte> told = stackalloc byte[16];
        while (true)
        {
            var count = Wait(_descriptor, ref told[0], 1, -1);
            if (count == 1)
            {
                break;
            }

            if (count < 0 && Marshal.GetLastPInvokeError() != Interrupted)
            {
                throw new Win32Exception(Marshal.GetLastPInvokeError());
            }
        }

        descriptor = (int)BinaryPrimitives.ReadInt64LittleEndian(told[s_dataOffset..]);
        hasEnded = ((Flags)BinaryPrimitives.ReadUInt32LittleEndian(told) & (Flags.PeerEnded | Flags.HungUp | Flags.Error)) != 0;
        return descriptor != _waker;
    }

    /// <summary>Ends every wait, those to come as well.</summary>
    public void Stop() => _ = Write(_waker, 1, sizeof(long));

    public void Dispose()
    {
        _ = Close(_descriptor);
        _ = Close(_waker);
    }

    private static int Checked(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    private void Watch(int descriptor, Flags flags)
    {
        Span<byte> wanted = stackalloc byte[s_eventSize];
        BinaryPrimitives.WriteUInt32LittleEndian(wanted, (uint)flags);
        BinaryPrimitives.WriteInt64LittleEndian(wanted[s_dataOffset..], descriptor);
        Checked(Control(_descriptor, Add, descriptor, ref wanted[0]));
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int descriptor, ref byte interest);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventDescriptor(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, in ulong value, nint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
