using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Policyd.Plugins.Addresses;

/// <summary>
/// Addresses as they are written in requests, records and configurations. What .NET alone takes for one is none: <c>1.2.3</c>,
/// <c>134744072</c>, <c>0177.0.0.1</c>, <c>[::1]:25</c>, <c>fe80::1%eth0</c>. It would become the address of somebody else.
/// </summary>
public static class AddressText
{
    /// <summary>Reads an address of IPv4 or IPv6.</summary>
    /// <param name="text">The text, from anywhere.</param>
    /// <param name="address">The address.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        ArgumentNullException.ThrowIfNull(text);
        address = null;
        var mayBe = text.Contains(':', StringComparison.Ordinal) ? !text.AsSpan().ContainsAny("[]%") : IsDottedQuad(text);
        return mayBe && IPAddress.TryParse(text, out address);
    }

    /// <summary>The same of what an operator configures: one of IPv6 may have brackets and a zone.</summary>
    internal static bool TryParseConfigured(string text, [NotNullWhen(true)] out IPAddress? address) =>
        IPAddress.TryParse(text, out address) && (!address.IsIPv4() || IsDottedQuad(text));

    // None with a leading zero, which would make it octal. They may be too large.
    private static bool IsDottedQuad(ReadOnlySpan<char> text)
    {
        var numbers = 0;
        foreach (var range in text.Split('.'))
        {
            var number = text[range];
            if (++numbers > 4
                || number.Length is 0 or > 3
                || number.ContainsAnyExceptInRange('0', '9')
                || (number.Length > 1 && number[0] == '0'))
            {
                return false;
            }
        }

        return numbers == 4;
    }
}
