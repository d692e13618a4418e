using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// Where a policy server listens or is asked: a TCP port or a UNIX-domain socket. Reads what operators write in main.cf and in
/// mtpolicyd.conf: <c>HOST:PORT</c>, <c>[V6]:PORT</c>, <c>PORT</c>, each also after <c>inet:</c>, and <c>unix:/path</c>.
/// </summary>
public sealed record PolicyEndpoint
{
    private const string UnixScheme = "unix:";
    private const string InetScheme = "inet:";
    private const string AnyHost = "*";

    // The address of a socket has room for 108 bytes, with the zero byte that Postfix and other programs in C end a path with.
    private const int MostPathBytes = 107;

    private PolicyEndpoint(string host, int port, string path)
    {
        Host = host;
        Port = port;
        Path = path;
    }

    /// <summary>The host name or address, without brackets; empty for a UNIX-domain socket.</summary>
    public string Host { get; }

    /// <summary>The TCP port, 0 to 65535 (0: any free one, when listening).</summary>
    public int Port { get; }

    /// <summary>The path of the UNIX-domain socket; empty for TCP.</summary>
    public string Path { get; }

    /// <summary>True for a UNIX-domain socket.</summary>
    public bool IsUnix => Path.Length > 0;

    /// <summary>True when a client can connect to it: port 0 and the host <c>*</c> are for listening.</summary>
    public bool IsConnectable => IsUnix || (Port > 0 && Host != AnyHost);

    /// <summary>A TCP endpoint.</summary>
    public static PolicyEndpoint Tcp(string host, int port) => new(host, port, string.Empty);

    /// <summary>A UNIX-domain socket.</summary>
    public static PolicyEndpoint Unix(string path) => new(string.Empty, 0, path);

    /// <summary>Says why a path can be none of a UNIX-domain socket; null when it can.</summary>
    /// <param name="path">The path.</param>
    public static string? SocketPathProblem(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.Length == 0 ? "the path of the socket is empty"
            : path.Contains('\0', StringComparison.Ordinal) ? "the path of the socket contains a zero character"
            : Encoding.UTF8.GetByteCount(path) is var bytes && bytes > MostPathBytes
                ? $"the path of the socket has {bytes} bytes, and the system allows {MostPathBytes}: {path}"
            : null;
    }

    /// <summary>Reads an endpoint; a port without a host is on 127.0.0.1.</summary>
    public static bool TryParse(
        string text,
        [NotNullWhen(true)] out PolicyEndpoint? endpoint,
        [NotNullWhen(false)] out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        endpoint = null;
        error = null;
        var rest = text.Trim();
        if (rest.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase) || rest.StartsWith('/'))
        {
            var path = rest.StartsWith('/') ? rest : rest[UnixScheme.Length..];
            error = path.Length == 0 ? "a path is missing after \"unix:\"" : SocketPathProblem(path);
            endpoint = error is null ? Unix(path) : null;
            return endpoint is not null;
        }

        if (rest.StartsWith(InetScheme, StringComparison.OrdinalIgnoreCase))
        {
            rest = rest[InetScheme.Length..];
        }

        var colon = rest.LastIndexOf(':');
        var host = colon < 0 ? "127.0.0.1" : rest[..colon];
        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        host = bracketed ? host[1..^1] : host;
        if (!ushort.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            error = $"\"{Shown(text)}\" has no port from 0 to 65535; expected HOST:PORT, [V6]:PORT, PORT or unix:/path";
        }
        else if (bracketed ? !IPAddress.TryParse(host, out var v6) || v6.AddressFamily != AddressFamily.InterNetworkV6 : !IsHost(host))
        {
            error = host.Contains(':', StringComparison.Ordinal) && !bracketed
                ? $"\"{Shown(text)}\": write an IPv6 address in brackets, such as [::1]:12345"
                : $"\"{Shown(text)}\" has no host; expected HOST:PORT, [V6]:PORT, PORT or unix:/path";
        }
        else
        {
            endpoint = Tcp(host, port);
        }

        return endpoint is not null;
    }

    // A user and password before the host mean nothing here, and are not for a log.
    private static string Shown(string text) => text.LastIndexOf('@') is var at and >= 0 ? "***" + text[at..] : text;

    /// <summary>The endpoint as it would be configured.</summary>
    public override string ToString() =>
        IsUnix ? UnixScheme + Path
        : string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");

    /// <summary>The address to bind, the first when a name has several; looks a name up.</summary>
    /// <exception cref="SocketException">The name is not known.</exception>
    public async ValueTask<EndPoint> ResolveAsync(CancellationToken cancellationToken) =>
        (await ResolveAllAsync(cancellationToken).ConfigureAwait(false))[0];

    /// <summary>
    /// A socket that is connected there. Tries a name's addresses one after the other: a server may listen on its IPv6 address alone.
    /// </summary>
    /// <exception cref="SocketException">No server answers there, or the name is not known.</exception>
    public async ValueTask<Socket> ConnectAsync(CancellationToken cancellationToken)
    {
        var addresses = await ResolveAllAsync(cancellationToken).ConfigureAwait(false);
        for (var index = 0; ; index++)
        {
            var socket = IsUnix
                ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
                : new Socket(addresses[index].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(addresses[index], cancellationToken).ConfigureAwait(false);
                return socket;
            }
            catch (SocketException) when (index < addresses.Count - 1)
            {
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    /// <summary>The addresses to try, at least one, in this order.</summary>
    private async ValueTask<IReadOnlyList<EndPoint>> ResolveAllAsync(CancellationToken cancellationToken)
    {
        if (IsUnix)
        {
            return [new UnixDomainSocketEndPoint(Path)];
        }

        if (Host == AnyHost)
        {
            return [new IPEndPoint(IPAddress.IPv6Any, Port)];
        }

        if (IPAddress.TryParse(Host, out var address))
        {
            return [new IPEndPoint(address, Port)];
        }

        var addresses = await Dns.GetHostAddressesAsync(Host, cancellationToken).ConfigureAwait(false);

        // IPv4 first: "localhost" in a configuration nearly always means 127.0.0.1, which is where its peer listens.
        return addresses.Length == 0
            ? throw new SocketException((int)SocketError.HostNotFound)
            : [.. addresses.OrderBy(one => one.AddressFamily).Select(one => new IPEndPoint(one, Port))];
    }

    private static bool IsHost(string host) =>
        host == AnyHost || Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4;
}
