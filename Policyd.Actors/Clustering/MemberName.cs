using System.Globalization;
using Akka.Actor;
using Akka.Cluster;

namespace Policyd.Actors.Clustering;

/// <summary>
/// How members are named in the database: <c>HOST:PORT#UID</c>. The number is Akka's, of one life of a node: the next life at the same
/// address is another member.
/// </summary>
internal static class MemberName
{
    public static string Of(UniqueAddress node) => string.Create(CultureInfo.InvariantCulture, $"{HostAndPort(node.Address)}#{node.Uid}");

    public static string HostAndPort(Address address) => string.Create(CultureInfo.InvariantCulture, $"{address.Host}:{address.Port}");

    /// <summary>The address of another node of the same cluster; null when the text is none.</summary>
    /// <param name="hostAndPort"><c>HOST:PORT</c>, an IPv6 address in brackets, as Akka has it too.</param>
    /// <param name="like">An address of the cluster: the protocol and the name are the same for all.</param>
    public static Address? AddressOf(string hostAndPort, Address like)
    {
        var colon = hostAndPort.LastIndexOf(':');
        return colon > 0 && int.TryParse(hostAndPort.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? like.WithHost(hostAndPort[..colon]).WithPort(port)
            : null;
    }
}
