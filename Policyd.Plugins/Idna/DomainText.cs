using System.Text;

namespace Policyd.Plugins.Idna;

/// <summary>
/// Domains in the one form in which they are asked for, counted and compared: letters beyond ASCII as the DNS has them
/// (<c>xn--bcher-kva</c>), lower case, no dot at the end. They are mapped by UTS 46 as Postfix does it: non-transitional, without the rules
/// of STD3, whatever the direction of the script. Labels that are ASCII, those with <c>xn--</c> included, are lower-cased only: what a
/// stranger has put into the DNS is asked for as it is.
/// </summary>
public static class DomainText
{
    private const string Prefix = "xn--";

    // A name has at most 253 octets (RFC 1035), each code point takes one at least, and is composed of few: what is longer is no name.
    private const int MostPoints = 1024;
    private const int MostOfName = 253;
    private const int MostOfLabel = 63;

    /// <summary>The domain as the DNS has it; null when it cannot be mapped, so that there is no name to ask for.</summary>
    /// <param name="domain">A domain of any length from anywhere.</param>
    public static string? ToAscii(string domain)
    {
        if (Ascii.IsValid(domain))
        {
            return WithoutDot(domain).ToLowerInvariant();
        }

        var mapped = new List<int>();
        foreach (var rune in domain.EnumerateRunes())
        {
            if (!UnicodeTables.Instance.TryMap(rune.Value, mapped) || mapped.Count > MostPoints)
            {
                return null;
            }
        }

        var composed = CanonicalComposition.Compose(mapped);
        return composed.Count <= MostOfName + 1 ? Encode(composed) : null;
    }

    /// <summary>The domain as a key, or to be compared: as the DNS has it, else in lower case.</summary>
    /// <param name="domain">A domain.</param>
    public static string Key(string domain) => ToAscii(domain) ?? WithoutDot(domain).ToLowerInvariant();

    /// <summary>An address as a key, or to be compared: its local part in lower case, its domain as <see cref="Key"/> has it.</summary>
    /// <param name="address">An address, or a user's name without a domain.</param>
    public static string AddressKey(string address)
    {
        if (Ascii.IsValid(address) && !address.EndsWith('.'))
        {
            return address.ToLowerInvariant();
        }

        var at = address.LastIndexOf('@');
        return at < 0 ? address.ToLowerInvariant() : string.Concat(address[..(at + 1)].ToLowerInvariant(), Key(address[(at + 1)..]));
    }

    /// <summary>What stands behind the last <c>@</c>; the whole text when there is none.</summary>
    /// <param name="address">An address.</param>
    public static string DomainOf(string address) => address[(address.LastIndexOf('@') + 1)..];

    private static string? Encode(List<int> points)
    {
        var name = new StringBuilder(points.Count * 2);
        for (var begin = 0; begin <= points.Count;)
        {
            var end = points.IndexOf('.', begin);
            end = end < 0 ? points.Count : end;
            if (!TryAppend(name, points[begin..end]))
            {
                return null;
            }

            name.Append(end < points.Count ? "." : "");
            begin = end + 1;
        }

        return WithoutDot(name.ToString());
    }

    private static bool TryAppend(StringBuilder name, List<int> label)
    {
        if (label.TrueForAll(static point => point < 0x80))
        {
            label.ForEach(point => name.Append((char)point));
            return true;
        }

        // Such a prefix says that the label is encoded already, which it is not.
        var isEncoded = label.Count >= Prefix.Length
            && Prefix.Select(static letter => (int)letter).SequenceEqual(label.Take(Prefix.Length));
        if (isEncoded || label.Count > MostOfLabel || UnicodeTables.IsMark(label[0]) || !label.TrueForAll(UnicodeTables.Instance.IsValid))
        {
            return false;
        }

        var code = Punycode.Encode(label);
        name.Append(Prefix).Append(code);
        return Prefix.Length + code.Length <= MostOfLabel;
    }

    private static string WithoutDot(string domain) => domain.EndsWith('.') ? domain[..^1] : domain;
}
