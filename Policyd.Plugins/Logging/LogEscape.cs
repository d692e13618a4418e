// A line feed in a value would forge a line, ESC or a C1 code would drive the terminal of whoever reads the log, a quote would end the
// value early, and a bidirectional override would show a line in another order than it has. Bytes that are no UTF-8 are kept as \xNN.

using System.Buffers;
using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Logging;

internal enum EscapeStyle
{
    /// <summary>Between the double quotes of a value in a text line.</summary>
    Quoted,

    /// <summary>In a message: quotes and backslashes mean nothing there.</summary>
    Free,

    /// <summary>Between the quotes of a JSON string, in which a byte that is no UTF-8 becomes U+FFFD.</summary>
    Json,
}

internal static class LogEscape
{
    private static readonly SearchValues<byte> s_printable = SearchValues.Create(
        [.. Enumerable.Range(0x20, 0x5f).Select(static code => (byte)code)]);

    private static readonly SearchValues<byte> s_printableUnquoted =
        SearchValues.Create([.. Enumerable.Range(0x20, 0x5f)
            .Select(static code => (byte)code)
            .Where(static code => code is not ((byte)'"' or (byte)'\\'))]);

    /// <summary>Appends a value, escaped.</summary>
    /// <param name="line">Where to.</param>
    /// <param name="value">UTF-8, or any bytes.</param>
    /// <param name="style">Where it stands.</param>
    /// <param name="most">The bytes that may be appended.</param>
    /// <returns>Whether the value was cut at that bound.</returns>
    public static bool Append(ArrayBufferWriter<byte> line, ReadOnlySpan<byte> value, EscapeStyle style, int most)
    {
        var asIs = style == EscapeStyle.Free ? s_printable : s_printableUnquoted;
        var json = style == EscapeStyle.Json;
        Span<byte> escaped = stackalloc byte[16];
        while (!value.IsEmpty)
        {
            var plain = value.IndexOfAnyExcept(asIs);
            if (plain < 0)
            {
                plain = value.Length;
            }

            if (plain > 0)
            {
                if (plain > most)
                {
                    line.Write(value[..most]);
                    return true;
                }

                line.Write(value[..plain]);
                most -= plain;
                value = value[plain..];
                continue;
            }

            var valid = Rune.DecodeFromUtf8(value, out var rune, out var taken) == OperationStatus.Done;
            var length = !valid && !json ? RawBytes(value[..taken], escaped)
                : valid && !NeedsEscape(rune) ? Copy(value[..taken], escaped)
                : Escape(rune, json, escaped);
            if (length > most)
            {
                return true;
            }

            line.Write(escaped[..length]);
            most -= length;
            value = value[taken..];
        }

        return false;
    }

    private static int Copy(ReadOnlySpan<byte> bytes, Span<byte> escaped)
    {
        bytes.CopyTo(escaped);
        return bytes.Length;
    }

    // At most three bytes: what can begin a character and does not go on as one.
    private static int RawBytes(ReadOnlySpan<byte> bytes, Span<byte> escaped)
    {
        var length = 0;
        foreach (var one in bytes)
        {
            length += Format(escaped[length..], "\\x"u8, one, 2);
        }

        return length;
    }

    private static int Escape(Rune rune, bool json, Span<byte> escaped)
    {
        switch (rune.Value)
        {
            case '"':
                return Copy("\\\""u8, escaped);
            case '\\':
                return Copy("\\\\"u8, escaped);
            case '\n':
                return Copy("\\n"u8, escaped);
            case '\r':
                return Copy("\\r"u8, escaped);
            case '\t':
                return Copy("\\t"u8, escaped);
            case < 0x80 when !json:
                return Format(escaped, "\\x"u8, rune.Value, 2);
        }

        if (rune.IsBmp)
        {
            return Format(escaped, "\\u"u8, rune.Value, 4);
        }

        if (!json)
        {
            return Format(escaped, "\\U"u8, rune.Value, 8);
        }

        Span<char> pair = stackalloc char[2];
        rune.EncodeToUtf16(pair);
        var first = Format(escaped, "\\u"u8, pair[0], 4);
        return first + Format(escaped[first..], "\\u"u8, pair[1], 4);
    }

    private static int Format(Span<byte> escaped, ReadOnlySpan<byte> mark, int code, int digits)
    {
        mark.CopyTo(escaped);
        for (var digit = digits - 1; digit >= 0; digit--)
        {
            escaped[mark.Length + digit] = "0123456789abcdef"u8[code & 0xf];
            code >>= 4;
        }

        return mark.Length + digits;
    }

    // Quote and backslash, controls, what has no shape of its own (bidirectional marks, joiners, spaces other than the space), and what no
    // font knows.
    private static bool NeedsEscape(Rune rune) =>
        rune.Value is '"' or '\\'
        || (rune.Value != ' ' && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);
}
