using System.Globalization;

namespace Policyd.Fuzz.Targets;

/// <summary>The text of IPv6 addresses (RFC 4291, section 2.2), read plainly.</summary>
internal static class PlainIPv6
{
    /// <summary>The 16 bytes of an address; null when the text is none.</summary>
    public static byte[]? Read(string text)
    {
        var halves = text.Split("::");
        if (halves.Length > 2)
        {
            return null;
        }

        var before = Half(halves[0], mayHoldIPv4: halves.Length == 1);
        var after = halves.Length == 2 ? Half(halves[1], mayHoldIPv4: true) : [];
        if (before is null || after is null || (halves.Length == 1 ? before.Count != 16 : before.Count + after.Count > 14))
        {
            return null;
        }

        return [.. before, .. new byte[16 - before.Count - after.Count], .. after];
    }

    private static List<byte>? Half(string text, bool mayHoldIPv4)
    {
        var bytes = new List<byte>();
        var groups = text.Length == 0 ? [] : text.Split(':');
        for (var index = 0; index < groups.Length; index++)
        {
            var octets = groups[index].Split('.');
            if (octets.Length == 4 && mayHoldIPv4 && index == groups.Length - 1 && octets.All(IsOctet))
            {
                bytes.AddRange(octets.Select(static octet => byte.Parse(octet, CultureInfo.InvariantCulture)));
            }
            else if (groups[index].Length is > 0 and <= 4 && groups[index].All(char.IsAsciiHexDigit))
            {
                var group = ushort.Parse(groups[index], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                bytes.AddRange([(byte)(group >> 8), (byte)group]);
            }
            else
            {
                return null;
            }
        }

        return bytes;
    }

    private static bool IsOctet(string text) =>
        text.Length is > 0 and <= 3 && text.All(char.IsAsciiDigit) && (text.Length == 1 || text[0] != '0')
            && int.Parse(text, CultureInfo.InvariantCulture) < 256;
}
