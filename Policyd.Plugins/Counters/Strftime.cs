using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Counters;

/// <summary>
/// strftime in the C locale, as glibc has it (strftime(3): ISO C 7.27.3.5, POSIX and GNU conversions, flags and widths). mtpolicyd's
/// <c>time_pattern</c> is one, and the text must be the same to the last byte, or a counter would start anew on the day of the change.
/// </summary>
public static class Strftime
{
    private static readonly CultureInfo s_invariant = CultureInfo.InvariantCulture;

    /// <summary>What is wrong with a pattern; null when it is one. An unknown conversion is wrong, though glibc would copy it.</summary>
    /// <param name="pattern">For example <c>%Y-%m</c>.</param>
    public static string? Check(string pattern) => StrftimePattern.TryParse(pattern, out _, out var error) ? null : error;

    /// <summary>Formats a time.</summary>
    /// <param name="pattern">A pattern that <see cref="Check"/> finds nothing wrong with.</param>
    /// <param name="time">The time, in the zone whose calendar counts.</param>
    /// <exception cref="FormatException">The pattern is none.</exception>
    public static string Format(string pattern, DateTimeOffset time)
    {
        if (!StrftimePattern.TryParse(pattern, out var parsed, out var error))
        {
            throw new FormatException($"time_pattern \"{pattern}\": {error}");
        }

        var text = new StringBuilder(pattern.Length + 16);
        foreach (var part in parsed.Parts)
        {
            _ = part.Text is { } plain ? text.Append(plain) : Append(text, part.Conversion, time);
        }

        return text.ToString();
    }

    private static StringBuilder Append(StringBuilder text, StrftimeConversion conversion, DateTimeOffset t) => conversion.Letter switch
    {
        'a' => Name(text, conversion, t.ToString("ddd", s_invariant)),
        'A' => Name(text, conversion, t.ToString("dddd", s_invariant)),
        'b' or 'h' => Name(text, conversion, t.ToString("MMM", s_invariant)),
        'B' => Name(text, conversion, t.ToString("MMMM", s_invariant)),
        'p' => conversion.Swap
            ? Words(text, conversion with { Upper = false }, HalfOf(t).ToLowerInvariant())
            : Words(text, conversion, HalfOf(t)),
        'P' => Words(text, conversion with { Upper = false }, HalfOf(t).ToLowerInvariant()),
        'Z' => conversion.Swap
            ? Words(text, conversion with { Upper = false }, LocalZone.NameAt(t).ToLowerInvariant())
            : Words(text, conversion, LocalZone.NameAt(t)),
        'c' => Words(text, conversion, Format("%a %b %e %H:%M:%S %Y", t)),
        'D' or 'x' => Words(text, conversion, Format("%m/%d/%y", t)),
        'F' => Words(text, conversion, Format("%Y-%m-%d", t)),
        'r' => Words(text, conversion, Format("%I:%M:%S %p", t)),
        'R' => Words(text, conversion, Format("%H:%M", t)),
        'T' or 'X' => Words(text, conversion, Format("%H:%M:%S", t)),
        's' => Words(text, conversion, t.ToUnixTimeSeconds().ToString(s_invariant)),
        'n' => Words(text, conversion, "\n"),
        't' => Words(text, conversion, "\t"),
        '%' => Words(text, conversion, "%"),
        'z' => Offset(text, conversion, t.Offset),
        _ => Number(text, conversion, ValueOf(conversion.Letter, t)),
    };

    private static (int Value, int Digits) ValueOf(char letter, DateTimeOffset t) => letter switch
    {
        'C' => (t.Year / 100, 2),
        'd' or 'e' => (t.Day, 2),
        'g' => (ISOWeek.GetYear(t.DateTime) % 100, 2),
        'G' => (ISOWeek.GetYear(t.DateTime), 1),
        'H' or 'k' => (t.Hour, 2),
        'I' or 'l' => (t.Hour % 12 is 0 ? 12 : t.Hour % 12, 2),
        'j' => (t.DayOfYear, 3),
        'm' => (t.Month, 2),
        'M' => (t.Minute, 2),
        'S' => (t.Second, 2),
        'u' => ((((int)t.DayOfWeek + 6) % 7) + 1, 1),
        'U' => ((t.DayOfYear + 6 - (int)t.DayOfWeek) / 7, 2),
        'V' => (ISOWeek.GetWeekOfYear(t.DateTime), 2),
        'w' => ((int)t.DayOfWeek, 1),
        'W' => ((t.DayOfYear + 6 - (((int)t.DayOfWeek + 6) % 7)) / 7, 2),
        'y' => (t.Year % 100, 2),
        'Y' => (t.Year, 1),
        _ => throw new InvalidOperationException($"%{letter} is no number"),
    };

    private static string HalfOf(DateTimeOffset t) => t.Hour < 12 ? "AM" : "PM";

    // Names of days and months: # stands for capitals there.
    private static StringBuilder Name(StringBuilder text, StrftimeConversion conversion, string name) =>
        Words(text, conversion with { Upper = conversion.Upper || conversion.Swap }, name);

    private static StringBuilder Words(StringBuilder text, StrftimeConversion conversion, string words) =>
        text.Append(conversion.Pad == '0' ? '0' : ' ', Math.Max(0, conversion.Width - words.Length))
            .Append(conversion.Upper ? words.ToUpperInvariant() : words);

    // Without digits to fill up (-) a width is filled with spaces all the same.
    private static StringBuilder Number(StringBuilder text, StrftimeConversion conversion, (int Value, int Digits) number)
    {
        var pad = conversion.Pad == '\0' && conversion.Letter is 'e' or 'k' or 'l' ? '_' : conversion.Pad;
        var digits = number.Value.ToString(s_invariant);
        var least = pad == '-' ? conversion.Width : Math.Max(number.Digits, conversion.Width);
        return text.Append(pad is '_' or '-' ? ' ' : '0', Math.Max(0, least - digits.Length)).Append(digits);
    }

    // The width holds for the sign and for the digits, each for itself.
    private static StringBuilder Offset(StringBuilder text, StrftimeConversion conversion, TimeSpan offset)
    {
        Words(text, conversion with { Upper = false }, offset < TimeSpan.Zero ? "-" : "+");
        var minutes = (int)Math.Abs(offset.TotalMinutes);
        return Number(text, conversion, ((minutes / 60 * 100) + (minutes % 60), 4));
    }
}
