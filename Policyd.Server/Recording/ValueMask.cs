using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Policyd.Protocol;

namespace Policyd.Server.Recording;

/// <summary>
/// Puts a hash with a secret key in the place of a value: equal values stay equal, and without the key nobody can tell or try out what
/// they were. What a module looks for stays: an address of IPv4 becomes one of 240.0.0.0/4, one of IPv6 one of 2001:db8::/32, which are
/// nobody's. A mail address keeps its form, and its domain stays the same for all of its users.
/// </summary>
/// <param name="attributes">The names of the attributes.</param>
/// <param name="key">The key.</param>
internal sealed class ValueMask(IEnumerable<string> attributes, byte[] key)
{
    public const int KeySize = 32;
    private const int ShownBytes = 10;
    private readonly HashSet<string> _attributes = new(attributes, StringComparer.Ordinal);

    /// <summary>Whether values are hidden at all: then the text of an answer, which may show them, is not kept either.</summary>
    public bool HidesAny => _attributes.Count > 0;

    /// <summary>The lines of the request as they are kept.</summary>
    public byte[] Apply(PolicyRequest request)
    {
        var bytes = new ArrayBufferWriter<byte>(request.Bytes.Length);
        var attributes = request.Utf8Attributes;
        while (attributes.MoveNext())
        {
            bytes.Write(attributes.Name);
            bytes.Write("="u8);
            bytes.Write(Apply(attributes.Name, attributes.Value));
            bytes.Write("\n"u8);
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>A value as it is kept.</summary>
    public ReadOnlySpan<byte> Apply(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        HidesAny && _attributes.Contains(Encoding.UTF8.GetString(name)) ? Encoding.UTF8.GetBytes(Hidden(value)) : value;

    private string Hidden(ReadOnlySpan<byte> value)
    {
        // Whether a value is there at all, a bounce's sender or a user who has not logged in, is no secret, and many rules ask for it.
        if (value.IsEmpty)
        {
            return "";
        }

        if (IPAddress.TryParse(Encoding.UTF8.GetString(value), out var address))
        {
            return Hidden(address).ToString();
        }

        var at = value.LastIndexOf((byte)'@');
        if (at < 0)
        {
            return Text(value);
        }

        var domain = Encoding.UTF8.GetString(value[(at + 1)..]).ToLowerInvariant();
        return $"{Text(value[..at])}@{Text(Encoding.UTF8.GetBytes(domain))}.invalid";
    }

    private IPAddress Hidden(IPAddress address)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, address.GetAddressBytes(), hash);
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            hash[0] |= 0xf0;
            return new IPAddress(hash[..4]);
        }

        new byte[] { 0x20, 0x01, 0x0d, 0xb8 }.CopyTo(hash);
        return new IPAddress(hash[..16]);
    }

    private string Text(ReadOnlySpan<byte> value)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, value, hash);
        return Convert.ToHexStringLower(hash[..ShownBytes]);
    }
}
