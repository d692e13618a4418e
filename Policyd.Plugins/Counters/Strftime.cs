using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Counters;

/// <summary>
/// strftime in the C locale (ISO C 7.27.3.5 and the POSIX and GNU specifiers in common use): mtpolicyd's <c>time_pattern</c>
/// is one, and the text must be the same to the last byte, or a counter would start anew on the day of the change.
/// </summary>
public static class Strftime
{
    private static readonly CultureInfo C = CultureInfo.InvariantCulture;

    /// <summary>Formats a time. An unknown specifier is copied as it stands, as glibc does.</summary>
    public static string Format(string pattern, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        var text = new StringBuilder(pattern.Length + 16);
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] != '%' || i + 1 == pattern.Length)
            {
                text.Append(pattern[i]);
                continue;
            }

            var specifier = pattern[++i];
            if (specifier is 'E' or 'O' && i + 1 < pattern.Length)
            {
                specifier = pattern[++i]; // alternative forms are the plain ones in the C locale
            }

            Append(text, specifier, time);
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, char specifier, DateTimeOffset t)
    {
        switch (specifier)
        {
            case 'a': text.Append(t.ToString("ddd", C)); break;
            case 'A': text.Append(t.ToString("dddd", C)); break;
            case 'b' or 'h': text.Append(t.ToString("MMM", C)); break;
            case 'B': text.Append(t.ToString("MMMM", C)); break;
            case 'c': text.Append(Format("%a %b %e %H:%M:%S %Y", t)); break;
            case 'C': text.Append(C, $"{t.Year / 100:D2}"); break;
            case 'd': text.Append(C, $"{t.Day:D2}"); break;
            case 'D' or 'x': text.Append(Format("%m/%d/%y", t)); break;
            case 'e': text.Append(C, $"{t.Day,2}"); break;
            case 'F': text.Append(Format("%Y-%m-%d", t)); break;
            case 'g': text.Append(C, $"{ISOWeek.GetYear(t.DateTime) % 100:D2}"); break;
            case 'G': text.Append(C, $"{ISOWeek.GetYear(t.DateTime)}"); break;
            case 'H': text.Append(C, $"{t.Hour:D2}"); break;
            case 'I': text.Append(C, $"{Hour12(t):D2}"); break;
            case 'j': text.Append(C, $"{t.DayOfYear:D3}"); break;
            case 'k': text.Append(C, $"{t.Hour,2}"); break;
            case 'l': text.Append(C, $"{Hour12(t),2}"); break;
            case 'm': text.Append(C, $"{t.Month:D2}"); break;
            case 'M': text.Append(C, $"{t.Minute:D2}"); break;
            case 'n': text.Append('\n'); break;
            case 'p': text.Append(t.Hour < 12 ? "AM" : "PM"); break;
            case 'P': text.Append(t.Hour < 12 ? "am" : "pm"); break;
            case 'r': text.Append(Format("%I:%M:%S %p", t)); break;
            case 'R': text.Append(Format("%H:%M", t)); break;
            case 's': text.Append(C, $"{t.ToUnixTimeSeconds()}"); break;
            case 'S': text.Append(C, $"{t.Second:D2}"); break;
            case 't': text.Append('\t'); break;
            case 'T' or 'X': text.Append(Format("%H:%M:%S", t)); break;
            case 'u': text.Append(C, $"{((int)t.DayOfWeek + 6) % 7 + 1}"); break;
            case 'U': text.Append(C, $"{(t.DayOfYear + 6 - (int)t.DayOfWeek) / 7:D2}"); break;
            case 'V': text.Append(C, $"{ISOWeek.GetWeekOfYear(t.DateTime):D2}"); break;
            case 'w': text.Append(C, $"{(int)t.DayOfWeek}"); break;
            case 'W': text.Append(C, $"{(t.DayOfYear + 6 - ((int)t.DayOfWeek + 6) % 7) / 7:D2}"); break;
            case 'y': text.Append(C, $"{t.Year % 100:D2}"); break;
            case 'Y': text.Append(C, $"{t.Year}"); break;
            case 'z': text.Append(C, $"{(t.Offset < TimeSpan.Zero ? '-' : '+')}{Math.Abs(t.Offset.Hours):D2}{Math.Abs(t.Offset.Minutes):D2}"); break;
            case 'Z': text.Append(t.Offset == TimeSpan.Zero ? "UTC" : Format("%z", t)); break;
            case '%': text.Append('%'); break;
            default: text.Append('%').Append(specifier); break;
        }
    }

    private static int Hour12(DateTimeOffset t) => t.Hour % 12 is 0 ? 12 : t.Hour % 12;
}
