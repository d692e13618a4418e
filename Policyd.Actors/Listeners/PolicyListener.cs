using System.Net;
using System.Net.Sockets;
using Policyd.Protocol;

namespace Policyd.Actors.Listeners;

/// <summary>A bound and listening socket, and what was asked for. Disposing it unbinds, and removes the file of a UNIX socket.</summary>
internal sealed class PolicyListener : IDisposable
{
    /// <summary>
    /// Connections that may wait for an accept: every smtpd of a large Postfix at once, a hundred a service and endpoint by default.
    /// </summary>
    public const int Backlog = 4096;

    // Postfix connects as its own user; who may reach the socket is told by its folder, as in Postfix's own queue.
    private const UnixFileMode Anybody =
        UnixFileMode.UserRead
            | UnixFileMode.UserWrite
            | UnixFileMode.GroupRead
            | UnixFileMode.GroupWrite
            | UnixFileMode.OtherRead
            | UnixFileMode.OtherWrite;

    private readonly bool _isInherited;
    private int _disposed;

    private PolicyListener(PolicyEndpoint configured, PolicyEndpoint bound, Socket socket, bool isInherited) =>
        (Configured, Bound, Socket, _isInherited) = (configured, bound, socket, isInherited);

    /// <summary>As in the configuration: what virtual hosts are chosen by.</summary>
    public PolicyEndpoint Configured { get; }

    /// <summary>As it is: the real port when port 0 was asked for.</summary>
    public PolicyEndpoint Bound { get; }

    public Socket Socket { get; }

    /// <exception cref="ListenException">It cannot be bound; the message says why, and to what.</exception>
    public static Task<PolicyListener> BindAsync(PolicyEndpoint endpoint, CancellationToken cancellationToken) =>
        BindAsync(endpoint, Anybody, Backlog, cancellationToken);

    /// <inheritdoc cref="BindAsync(PolicyEndpoint, CancellationToken)"/>
    /// <param name="endpoint">Where.</param>
    /// <param name="mode">Who may connect to a UNIX socket. Nobody can before it is set: the socket does not listen until then.</param>
    /// <param name="backlog">Connections that may wait for an accept.</param>
    /// <param name="cancellationToken">Ends the look-up of a name.</param>
    public static async Task<PolicyListener> BindAsync(
        PolicyEndpoint endpoint, UnixFileMode mode, int backlog, CancellationToken cancellationToken)
    {
        Socket? socket = null;
        try
        {
            var address = await endpoint.ResolveAsync(cancellationToken).ConfigureAwait(false);
            if (InheritedSockets.OfProcess.Find(address) is { } inherited)
            {
                return new PolicyListener(endpoint, endpoint, inherited, isInherited: true);
            }

            if (endpoint.IsUnix)
            {
                await StaleSocketFile.RemoveAsync(endpoint.Path, cancellationToken).ConfigureAwait(false);
            }

            socket = Create(address, endpoint.Host == "*");
            socket.Bind(address);
            if (endpoint.IsUnix && !OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(endpoint.Path, mode);
            }

            socket.Listen(backlog);
            var bound = socket.LocalEndPoint is IPEndPoint ip ? PolicyEndpoint.Tcp(endpoint.Host, ip.Port) : endpoint;
            return new PolicyListener(endpoint, bound, socket, isInherited: false);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            socket?.Dispose();
            throw new ListenException($"cannot listen on {endpoint}: {Reason(e, endpoint)}", e);
        }
    }

    public void Dispose()
    {
        // Only once: a second time the file may be that of a successor.
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        Socket.Dispose();
        if (Bound.IsUnix && !_isInherited)
        {
            File.Delete(Bound.Path);
        }
    }

    // The system's word for a path that leads nowhere would be "Cannot assign requested address".
    private static string Reason(Exception e, PolicyEndpoint endpoint) =>
        e is SocketException && endpoint.IsUnix && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(endpoint.Path)))
            ? "its folder does not exist"
            : e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
                && InheritedSockets.OfProcess.Unused() is [_, ..] held
                ? $"{e.Message}; the service manager has passed {string.Join(", ", held)}, which listen must name in the same way"
            : e.Message;

    private static Socket Create(EndPoint address, bool bothFamilies)
    {
        var isUnix = address.AddressFamily == AddressFamily.Unix;
        var socket = new Socket(address.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // "*" is every address of both families; a literal [::] leaves IPv4 to a listener of its own.
            socket.DualMode = bothFamilies;
        }

        return socket;
    }
}
