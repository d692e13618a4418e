using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Dns;

/// <summary>
/// Names that can be asked for: RFC 1035, section 2.3.4. They come from strangers, so what does not fit is refused before it is sent. A
/// label may hold any byte (RFC 2181, section 11); in a string what is no printable ASCII stands as in a zone file (RFC 1035, section 5.1):
/// <c>\DDD</c>, and <c>\.</c> for a dot in a label.
/// </summary>
public static class DnsName
{
    /// <summary>The most bytes of a name, the dots between its labels included.</summary>
    public const int MaxLength = 253;

    /// <summary>The most bytes of a label.</summary>
    public const int MaxLabel = 63;

    // Each byte may be written with four characters.
    private const int MaxText = 4 * MaxLength;

    /// <summary>
    /// The name in lower case and without a dot at its end: the form in which answers are kept. No copy when it is that already.
    /// </summary>
    /// <param name="name">A name from anywhere; the dot at its end may be there or not.</param>
    /// <param name="normal">The name; null when it can be none.</param>
    public static bool TryNormalize(string name, [NotNullWhen(true)] out string? normal)
    {
        normal = null;
        if (name.Contains('\\', StringComparison.Ordinal))
        {
            return TryReadEscaped(name, out normal);
        }

        var length = name.EndsWith('.') ? name.Length - 1 : name.Length;
        if (length is 0 or > MaxLength)
        {
            return false;
        }

        var label = 0;
        var lower = true;
        foreach (var c in name.AsSpan(0, length))
        {
            if (c == '.')
            {
                if (label == 0)
                {
                    return false;
                }

                label = 0;
                continue;
            }

            if (c is <= ' ' or >= '\x7f' || ++label > MaxLabel)
            {
                return false;
            }

            lower &= !char.IsAsciiLetterUpper(c);
        }

        if (label == 0)
        {
            return false;
        }

        normal = lower && length == name.Length ? name : name[..length].ToLowerInvariant();
        return true;
    }

    /// <summary>
    /// The name of a text whose characters are bytes (ISO 8859-1) and whose dots end labels, as those of an expanded SPF macro do.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="normal">The name, as <see cref="TryNormalize"/> gives it; null when it can be none.</param>
    public static bool TryOfBytes(string text, [NotNullWhen(true)] out string? normal)
    {
        normal = null;
        if (text.Length > MaxLength + 1)
        {
            return false;
        }

        var name = new StringBuilder(text.Length);
        Span<byte> label = stackalloc byte[MaxLength + 1];
        foreach (var range in text.AsSpan().Split('.'))
        {
            var part = text.AsSpan()[range];
            if (part.ContainsAnyExceptInRange('\0', '\xff'))
            {
                return false;
            }

            AppendLabel(name, label[..Encoding.Latin1.GetBytes(part, label)]);
            name.Append('.');
        }

        // The last label has a dot too, and an empty one at the end is the root.
        var written = name.ToString(0, name.Length - 1);
        return TryNormalize(written, out normal);
    }

    /// <summary>The other way: a name as a text whose characters are bytes.</summary>
    /// <param name="name">A name that <see cref="TryNormalize"/> has given.</param>
    public static string ToBytes(string name)
    {
        if (!name.Contains('\\', StringComparison.Ordinal))
        {
            return name;
        }

        var text = new StringBuilder(name.Length);
        for (var at = 0; at < name.Length;)
        {
            _ = TryReadByte(name, ref at, out var value);
            text.Append((char)value);
        }

        return text.ToString();
    }

    /// <summary>
    /// The zone under which a name counts among others of the same owner. Nobody tells us where zones begin: the last two labels, three
    /// where the second is as short as those of registries (co.uk), and of an address's name as many as a network has.
    /// </summary>
    internal static string ZoneOf(string name)
    {
        var labels = name.EndsWith(".ip6.arpa", StringComparison.Ordinal)
            ? 14
            : name.EndsWith(".in-addr.arpa", StringComparison.Ordinal) ? 5 : 2;
        var from = name.Length;
        for (var count = 0; count < labels; count++)
        {
            var dot = from == 0 ? -1 : name.LastIndexOf('.', from - 1);
            if (dot < 0)
            {
                return name;
            }

            labels += labels == 2 && count == 1 && from - dot - 1 <= 3 ? 1 : 0;
            from = dot;
        }

        return name[(from + 1)..];
    }

    /// <summary>Adds a label as a zone file has it, so that no name looks like another.</summary>
    internal static void AppendLabel(StringBuilder name, ReadOnlySpan<byte> label)
    {
        foreach (var b in label)
        {
            if (b is <= (byte)' ' or >= 0x7f)
            {
                name.Append(CultureInfo.InvariantCulture, $"\\{b:D3}");
            }
            else
            {
                name.Append(b is (byte)'.' or (byte)'\\' ? "\\" : "").Append((char)b);
            }
        }
    }

    /// <summary>Writes a name that <see cref="TryNormalize"/> has given as a message has it, the root's empty label included.</summary>
    /// <returns>How many bytes it takes: 255 at most.</returns>
    internal static int Write(string normal, Span<byte> to)
    {
        var start = 0;
        var end = 1;
        for (var at = 0; at < normal.Length;)
        {
            if (normal[at] == '.')
            {
                to[start] = (byte)(end - start - 1);
                start = end++;
                at++;
                continue;
            }

            _ = TryReadByte(normal, ref at, out to[end++]);
        }

        to[start] = (byte)(end - start - 1);
        to[end++] = 0;
        return end;
    }

    private static bool TryReadEscaped(string name, [NotNullWhen(true)] out string? normal)
    {
        normal = null;
        if (name.Length > MaxText)
        {
            return false;
        }

        var written = new StringBuilder(name.Length);
        Span<byte> one = stackalloc byte[1];
        var label = 0;
        var bytes = 0;
        for (var at = 0; at < name.Length;)
        {
            if (name[at] == '.')
            {
                if (label == 0)
                {
                    return false;
                }

                bytes++;
                label = 0;
                if (++at < name.Length)
                {
                    written.Append('.');
                }

                continue;
            }

            if (!TryReadByte(name, ref at, out one[0]) || ++label > MaxLabel)
            {
                return false;
            }

            bytes++;
            AppendLabel(written, one);
        }

        normal = written.ToString().ToLowerInvariant();
        return bytes - (label == 0 ? 1 : 0) <= MaxLength;
    }

    private static bool TryReadByte(string name, ref int at, out byte value)
    {
        var c = name[at++];
        value = (byte)c;
        if (c != '\\')
        {
            return c is > ' ' and < '\x7f';
        }

        if (at < name.Length && !char.IsAsciiDigit(name[at]))
        {
            value = (byte)name[at];
            return name[at++] is >= ' ' and < '\x7f';
        }

        var digits = name.AsSpan(at, Math.Min(3, name.Length - at));
        at += digits.Length;

        // .NET's own parser takes NUL characters behind a number.
        return digits.Length == 3
            && !digits.Contains('\0')
            && byte.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }
}
