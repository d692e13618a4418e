using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Policyd.Plugins.Addresses;

/// <summary>
/// Addresses with a common beginning. Bits behind the prefix count for nothing, as records and operators write them all the same.
/// </summary>
/// <param name="Address">The first address, or any of them.</param>
/// <param name="Prefix">How many bits they have in common: at most 32 for IPv4, 128 for IPv6.</param>
public readonly record struct AddressBlock(IPAddress Address, int Prefix)
{
    /// <summary>An address, or an address and a prefix: <c>192.0.2.0/24</c>.</summary>
    /// <param name="text">The text, from anywhere.</param>
    /// <param name="block">The addresses.</param>
    public static bool TryParse(string text, out AddressBlock block)
    {
        ArgumentNullException.ThrowIfNull(text);
        block = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var host = slash < 0 ? text : text[..slash];
        if (!AddressText.TryParse(host, out var address))
        {
            return false;
        }

        var most = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = most;
        if (slash >= 0
            && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out prefix) || prefix > most))
        {
            return false;
        }

        block = new AddressBlock(address, prefix);
        return true;
    }

    /// <summary>Whether an address is in it. One of the other family never is.</summary>
    /// <param name="address">The address.</param>
    public bool Contains(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.AddressFamily != Address.AddressFamily)
        {
            return false;
        }

        Span<byte> ours = stackalloc byte[16];
        Span<byte> theirs = stackalloc byte[16];
        Address.TryWriteBytes(ours, out _);
        address.TryWriteBytes(theirs, out _);
        var whole = Prefix / 8;
        return ours[..whole].SequenceEqual(theirs[..whole])
            && (Prefix % 8 == 0 || (ours[whole] ^ theirs[whole]) >> (8 - (Prefix % 8)) == 0);
    }
}
