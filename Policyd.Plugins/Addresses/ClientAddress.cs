using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Policyd.Plugins.Addresses;

/// <summary>
/// A client's address in the forms that plugins need of it. One of IPv4 that is written as IPv6 (<c>::ffff:192.0.2.1</c>) is the IPv4 one
/// everywhere.
/// </summary>
public static class ClientAddress
{
    /// <summary>The address of a text (<see cref="AddressText"/>); null when it is none, as Postfix's <c>unknown</c>.</summary>
    /// <param name="text">The text, such as the request's <c>client_address</c>.</param>
    public static IPAddress? Parse(string text) => AddressText.TryParse(text, out var address) ? address.Plain() : null;

    /// <summary>The IPv4 address of one that is written as IPv6; any other as it is.</summary>
    /// <param name="address">The address.</param>
    public static IPAddress Plain(this IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>Whether it is an address of IPv4.</summary>
    /// <param name="address">The address, as <see cref="Plain"/> gives it.</param>
    public static bool IsIPv4(this IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork;

    /// <summary>The address with its last bits zero: its network.</summary>
    /// <param name="address">The address, as <see cref="Plain"/> gives it.</param>
    /// <param name="bits">How many bits stay.</param>
    public static IPAddress Network(this IPAddress address, int bits)
    {
        var bytes = address.GetAddressBytes();
        for (var index = 0; index < bytes.Length; index++)
        {
            bytes[index] &= (byte)(0xff << (8 - Math.Clamp(bits - (8 * index), 0, 8)));
        }

        return new IPAddress(bytes);
    }

    /// <summary>
    /// The labels that stand before a domain that is asked about addresses: octets, or nibbles of an IPv6 address, in reverse order (RFC
    /// 1035, RFC 3596, RFC 5782).
    /// </summary>
    /// <param name="address">The address, as <see cref="Plain"/> gives it.</param>
    public static string Reversed(this IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        if (address.IsIPv4())
        {
            return string.Create(CultureInfo.InvariantCulture, $"{bytes[3]}.{bytes[2]}.{bytes[1]}.{bytes[0]}");
        }

        Span<char> nibbles = stackalloc char[63];
        nibbles.Fill('.');
        for (var index = 0; index < length; index++)
        {
            nibbles[60 - (index * 4)] = "0123456789abcdef"[bytes[index] & 15];
            nibbles[62 - (index * 4)] = "0123456789abcdef"[bytes[index] >> 4];
        }

        return nibbles.ToString();
    }
}
