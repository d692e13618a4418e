using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Policyd.Configuration.Values;

namespace Policyd.Engine.Clustering;

/// <summary>
/// Where a node of the cluster listens or is reached: <c>HOST:PORT</c> or <c>[V6]:PORT</c>. Two texts of one address are equal here, since
/// Akka compares addresses as texts.
/// </summary>
/// <param name="Host">A name in lower case, or an address without brackets.</param>
/// <param name="Port">The port, 1 to 65535.</param>
public sealed record NodeAddress(string Host, int Port) : IOptionValue<NodeAddress>
{
    private const string Expected = "expected HOST:PORT or [V6]:PORT";

    /// <summary>The address; null when the host is a name.</summary>
    public IPAddress? Address => IPAddress.TryParse(Host, out var address) ? address : null;

    /// <summary>The host as it stands before a port, here and in Akka's addresses: an IPv6 address in brackets.</summary>
    public string HostInAddress => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;

    /// <summary>Whether only this machine reaches it.</summary>
    public bool IsLoopback => Address is { } address ? IPAddress.IsLoopback(address) : Host == "localhost";

    /// <summary>Whether it stands for all addresses of the machine, and is no address that a peer could use.</summary>
    public bool IsWildcard => Address is { } address && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <inheritdoc/>
    public static bool TryParse(string text, out NodeAddress? value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        value = null;
        var shown = $"\"{text}\"";
        var rest = text.Trim();
        var colon = rest.LastIndexOf(':');
        var host = colon < 0 ? rest : rest[..colon];
        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        if (rest.Contains("://", StringComparison.Ordinal))
        {
            error = $"{shown} is an address of Akka; {Expected}";
        }
        else if (colon < 0 || rest.EndsWith(']')
            || !ushort.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            error = $"{shown} has no port from 1 to 65535; {Expected}";
        }
        else if (port == 0)
        {
            error = $"{shown}: port 0 means any free port, but the other nodes must know the port; choose one";
        }
        else if (bracketed ? !IsIPv6(host[1..^1]) : !IsHost(host))
        {
            error = host.Contains(':', StringComparison.Ordinal) && !bracketed
                ? $"{shown}: write an IPv6 address in brackets, such as [2001:db8::1]:4053"
                : $"{shown} has no host name or address; {Expected}";
        }
        else
        {
            value = new NodeAddress(bracketed ? IPAddress.Parse(host[1..^1]).ToString() : host.ToLowerInvariant(), port);
            error = null;
        }

        return value is not null;
    }

    /// <summary>The address as it would be configured.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{HostInAddress}:{Port}");

    private static bool IsIPv6(string text) =>
        IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6;

    // No name's last label is a number: 10.0.0.300 is an address with a mistake.
    private static bool IsHost(string host) => Uri.CheckHostName(host) switch
    {
        UriHostNameType.IPv4 => true,
        UriHostNameType.Dns => !host.TrimEnd('.').Split('.')[^1].All(char.IsAsciiDigit),
        _ => false,
    };
}
