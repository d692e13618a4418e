using System.Net;
using Policyd.Plugins.Addresses;

namespace Policyd.Backends.Smtp;

// Which addresses a stranger's DNS may lead this server to. Whoever owns a domain chooses the addresses in it: without this a mail with a
// fitting sender would have the server dial hosts behind its firewall, or itself.
internal static class PublicAddress
{
    // What IANA's registries of special addresses (RFC 6890) list as not globally reachable, and multicast.
    private static readonly AddressBlock[] s_special =
    [
        .. Blocks(
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20"),
    ];

    private static readonly AddressBlock s_global = Blocks("2000::/3").Single();

    /// <summary>Whether the address is one of the Internet's, and not of a host's own, a private or another special network.</summary>
    public static bool IsPublic(this IPAddress address)
    {
        var plain = address.Plain();
        return (plain.IsIPv4() || s_global.Contains(plain)) && !Array.Exists(s_special, block => block.Contains(plain));
    }

    private static IEnumerable<AddressBlock> Blocks(params string[] texts) =>
        texts.Select(static text => AddressBlock.TryParse(text, out var block) ? block : throw new FormatException(text));
}
