using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Policyd.Actors.Listeners;

/// <summary>
/// Listening sockets that the service manager has opened (sd_listen_fds(3)): it holds them while the server is restarted, so that clients
/// wait instead of being refused. They are used for the addresses of <c>listen</c> that they are bound to. Each is duplicated, and the
/// original stays open: a process that begins anew finds it again.
/// </summary>
internal sealed partial class InheritedSockets
{
    private const int First = 3;
    private readonly IReadOnlyList<int> _descriptors;
    private readonly HashSet<int> _used = [];

    /// <param name="count">LISTEN_FDS: how many there are.</param>
    /// <param name="process">LISTEN_PID: the process that they are for.</param>
    /// <param name="self">This process.</param>
    public InheritedSockets(string? count, string? process, int self)
    {
        var isOurs = int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id == self;
        _descriptors = isOurs && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? [.. Enumerable.Range(First, Math.Min(number, 1024))]
            : [];
    }

    /// <summary>Those of this process.</summary>
    public static InheritedSockets OfProcess { get; } = new(
        Environment.GetEnvironmentVariable("LISTEN_FDS"), Environment.GetEnvironmentVariable("LISTEN_PID"), Environment.ProcessId);

    /// <summary>A socket that is bound to the address and listens; null when there is none.</summary>
    public Socket? Find(EndPoint address)
    {
        foreach (var descriptor in _descriptors)
        {
            if (Open(descriptor) is not { } socket)
            {
                continue;
            }

            if (IsBoundTo(socket, address))
            {
                lock (_used)
                {
                    _used.Add(descriptor);
                }

                return socket;
            }

            socket.Dispose();
        }

        return null;
    }

    /// <summary>The addresses of those that nothing has asked for: clients that connect there are never accepted.</summary>
    public IReadOnlyList<string> Unused()
    {
        var addresses = new List<string>();
        foreach (var descriptor in _descriptors.Where(one => !IsUsed(one)))
        {
            using var socket = Open(descriptor);
            if (socket is { SocketType: SocketType.Stream, LocalEndPoint: { } local })
            {
                addresses.Add(local is UnixDomainSocketEndPoint ? $"unix:{local}" : local.ToString()!);
            }
        }

        return addresses;
    }

    private bool IsUsed(int descriptor)
    {
        lock (_used)
        {
            return _used.Contains(descriptor);
        }
    }

    private static Socket? Open(int descriptor)
    {
        var copy = Duplicate(descriptor);
        if (copy < 0)
        {
            return null;
        }

        var handle = new SafeSocketHandle(copy, ownsHandle: true);
        try
        {
            return new Socket(handle);
        }
        catch (SocketException)
        {
            // Something else than a socket.
            handle.Dispose();
            return null;
        }
    }

    private static bool IsBoundTo(Socket socket, EndPoint address)
    {
        try
        {
            return socket.SocketType == SocketType.Stream && socket.LocalEndPoint is { } local
                && (local is UnixDomainSocketEndPoint ? local.ToString() == address.ToString() : local.Equals(address));
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    private static partial int Duplicate(int descriptor);
}
