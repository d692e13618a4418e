using System.ComponentModel;
using System.Net;
using Policyd.Configuration.Options;
using Policyd.Protocol;

namespace Policyd.Engine.Model;

/// <summary>
/// The options of <c>http { }</c>: where the running server shows its metrics and its health. Everything there is read-only.
/// </summary>
public sealed class HttpOptions
{
    /// <summary>How many connections there may be at one time; one more is closed.</summary>
    public const int MostConnections = 64;

    /// <summary>Where to listen.</summary>
    [Description("the address to serve metrics and health on: 127.0.0.1:PORT, [::1]:PORT or ADDRESS:PORT")]
    public required string Listen { get; set; }

    /// <summary>The names by which a client may ask.</summary>
    [Description(
        "the names and addresses that a request's Host may have, without a port; default: localhost, 127.0.0.1, [::1] and the address of "
            + "listen")]
    public IReadOnlyList<string> Hosts { get; set; } = [];

    /// <summary>Whether an address that other hosts reach may be given.</summary>
    [Description("on: listen may be an address that other hosts can reach; needs tls or a token")]
    public bool AllowRemote { get; set; }

    /// <summary>What a client must send as its bearer token; null: nothing.</summary>
    [Description("the token that a client sends as \"Authorization: Bearer TOKEN\"; printable ASCII without spaces"), SecretOption]
    public string? Token { get; set; }

    /// <summary>The certificate of an endpoint with TLS; null: no TLS.</summary>
    [Description("the files of TLS: certificate, key; without it there is no TLS")]
    public HttpTlsOptions? Tls { get; set; }

    /// <summary>The address; null when <see cref="Listen"/> is none.</summary>
    [NotAnOption]
    public IPEndPoint? Endpoint =>
        PolicyEndpoint.TryParse(Listen, out var endpoint, out _) && !endpoint.IsUnix && AddressOf(endpoint.Host) is { } address
            ? new IPEndPoint(address, endpoint.Port)
            : null;

    /// <summary>The names by which a client may ask, as <c>Host</c> has them: in lower case, a v6 address in brackets.</summary>
    [NotAnOption]
    public IEnumerable<string> AllowedHosts => Hosts.Count > 0
        ? Hosts.Select(static host => host.ToLowerInvariant())
        : new[] { "localhost", "127.0.0.1", "[::1]", Written(Endpoint!.Address) }.Distinct();

    /// <summary>Says what is wrong, and with which option; null when nothing is.</summary>
    public (string Option, string Message)? Check()
    {
        if (!PolicyEndpoint.TryParse(Listen, out _, out var error))
        {
            return ("listen", error);
        }

        if (Endpoint is not { } endpoint)
        {
            return ("listen", $"\"{Listen}\" is not ADDRESS:PORT or localhost:PORT");
        }

        if (Token is { } token && (token.Length == 0 || !token.All(static c => c is > ' ' and <= '~')))
        {
            return ("token", "must be printable ASCII characters without spaces, at least one");
        }

        if (Hosts.FirstOrDefault(static host => !IsHost(host)) is { } wrong)
        {
            return ("hosts", $"\"{wrong}\" is not a name or an address; give it without a port, and a v6 address in brackets");
        }

        if (Hosts.Count == 0 && (endpoint.Address.Equals(IPAddress.Any) || endpoint.Address.Equals(IPAddress.IPv6Any)))
        {
            return ("listen", $"{endpoint} means all addresses; set hosts to the names and addresses by which clients ask");
        }

        if (IPAddress.IsLoopback(endpoint.Address))
        {
            return null;
        }

        return !AllowRemote
            ? ("listen", $"{endpoint} can be reached from other hosts; use 127.0.0.1, or set allow_remote = on with tls or a token")
            : Tls is null && Token is null ? ("allow_remote", $"{endpoint} can be reached from other hosts; add tls or a token") : null;
    }

    private static IPAddress? AddressOf(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? IPAddress.Loopback
        : IPAddress.TryParse(host, out var address) ? address
        : null;

    private static string Written(IPAddress address) =>
        address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();

    private static bool IsHost(string host) => host.StartsWith('[')
        ? host.EndsWith(']') && IPAddress.TryParse(host[1..^1], out _)
        : Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4;
}
