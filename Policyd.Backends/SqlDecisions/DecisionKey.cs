using System.Net;
using System.Net.Sockets;
using Policyd.Backends.Sql;

namespace Policyd.Backends.SqlDecisions;

/// <summary>
/// Values as the columns of <see cref="DecisionRow"/> have them, and as a search compares them: printable ASCII that fits its column, the
/// same on every database.
/// </summary>
public static class DecisionKey
{
    private const int Longest = 255;
    private const int BytesOfAddress = 16;

    /// <summary>A name of the configuration, or Postfix's: in its own case.</summary>
    /// <param name="value">The value; null stays null.</param>
    public static string? Exact(string? value) => value is null ? null : SqlKeyText.Of(value, Longest);

    /// <summary>A user or a mail address: in any case.</summary>
    /// <inheritdoc cref="Exact"/>
    public static string? AnyCase(string? value) => value is null ? null : SqlKeyText.Of(value.ToLowerInvariant(), Longest);

    /// <summary>An address.</summary>
    /// <param name="address">The address; null stays null.</param>
    public static string? Of(IPAddress? address) => address is null ? null : Convert.ToHexStringLower(BytesOf(address));

    /// <summary>The first and the last key of a network.</summary>
    /// <param name="address">One of its addresses.</param>
    /// <param name="prefix">How many bits its addresses have in common.</param>
    public static (string First, string Last) RangeOf(IPAddress address, int prefix)
    {
        ArgumentNullException.ThrowIfNull(address);
        var (first, last) = (BytesOf(address), BytesOf(address));
        var common = prefix + (address.AddressFamily == AddressFamily.InterNetwork ? 96 : 0);
        for (var bit = common; bit < 8 * BytesOfAddress; bit++)
        {
            var mask = (byte)(0x80 >> (bit % 8));
            first[bit / 8] &= (byte)~mask;
            last[bit / 8] |= mask;
        }

        return (Convert.ToHexStringLower(first), Convert.ToHexStringLower(last));
    }

    private static byte[] BytesOf(IPAddress address) => address.MapToIPv6().GetAddressBytes();
}
