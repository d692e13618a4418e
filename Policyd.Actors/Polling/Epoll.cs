using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Policyd.Actors.Polling;

/// <summary>Linux epoll, edge-triggered: an event is told once, to one of the threads that wait.</summary>
[SupportedOSPlatform("linux")]
internal sealed partial class Epoll : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int Add = 1;

    private readonly int _descriptor;
    private readonly int _waker;

    public Epoll()
    {
        _descriptor = EpollCalls.Create();
        _waker = EpollCalls.Checked(EventDescriptor(0, CloseOnExec | NonBlocking));
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
        Span<byte> told = stackalloc byte[EpollCalls.EventSize];
        while (EpollCalls.Wait(_descriptor, told, milliseconds: -1) == 0)
        {
        }

        descriptor = EpollCalls.Data(told);
        hasEnded = ((Flags)EpollCalls.Flags(told) & (Flags.PeerEnded | Flags.HungUp | Flags.Error)) != 0;
        return descriptor != _waker;
    }

    /// <summary>Ends every wait, those to come as well.</summary>
    public void Stop() => _ = Write(_waker, 1, sizeof(long));

    public void Dispose()
    {
        _ = EpollCalls.Close(_descriptor);
        _ = EpollCalls.Close(_waker);
    }

    private void Watch(int descriptor, Flags flags) => EpollCalls.Control(_descriptor, Add, descriptor, (uint)flags, descriptor);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventDescriptor(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, in ulong value, nint length);
}
