using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Policyd.Plugins.Counters;

/// <summary>
/// When a window ended, from the text in the table's <c>time</c> column: what retention goes by. A text that the pattern cannot have
/// written is nobody's to delete: two plugins may count into one table by month and by day.
/// </summary>
public sealed class WindowAge
{
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);
    private const string Units = "ymdHMS";

    // A width beyond this is nobody's.
    private const int MostWidth = 20;

    // What is read back, by its name in the regular expression, and how many digits it has.
    private static readonly Dictionary<char, (char Unit, int Digits)> s_digits = new()
    {
        ['Y'] = ('Y', 4),
        ['G'] = ('G', 4),
        ['y'] = ('y', 2),
        ['m'] = ('m', 2),
        ['d'] = ('d', 2),
        ['e'] = ('d', 2),
        ['H'] = ('H', 2),
        ['k'] = ('H', 2),
        ['M'] = ('M', 2),
        ['S'] = ('S', 2),
        ['V'] = ('V', 2),
        ['U'] = ('U', 2),
        ['W'] = ('W', 2),
        ['j'] = ('j', 3),
    };

    private static readonly Dictionary<char, string> s_long = new()
    {
        ['F'] = "%Y-%m-%d",
        ['T'] = "%H:%M:%S",
        ['X'] = "%H:%M:%S",
        ['R'] = "%H:%M",
        ['D'] = "%m/%d/%y",
        ['x'] = "%m/%d/%y"
    };

    private readonly Regex _text;
    private readonly HashSet<char> _has;

    private WindowAge(Regex text, HashSet<char> has) => (_text, _has) = (text, has);

    /// <summary>Reads a <c>time_pattern</c>; false when its texts do not tell when they were.</summary>
    /// <param name="pattern">For example <c>%Y-%m</c>.</param>
    /// <param name="age">Tells the age of its windows.</param>
    /// <param name="error">Why it cannot.</param>
    public static bool TryCreate(string pattern, [NotNullWhen(true)] out WindowAge? age, [NotNullWhen(false)] out string? error)
    {
        age = null;
        if (!StrftimePattern.TryParse(pattern, out var parsed, out error))
        {
            return false;
        }

        var regex = new StringBuilder("^");
        var has = new HashSet<char>();
        var parts = parsed.Parts.SelectMany(Spell).ToList();
        foreach (var (at, part) in parts.Index())
        {
            if (part.Text is { } text)
            {
                regex.Append(Regex.Escape(text));
            }
            else if (Digits(part.Conversion) is not { } digits || (digits.Varies
                && (MayTouch(parts.ElementAtOrDefault(at - 1), true) || MayTouch(parts.ElementAtOrDefault(at + 1), false))))
            {
                error =
                    $"time_pattern \"{pattern}\" contains %{part.Conversion.Letter}, so the date of a window cannot be read from its text";
                return false;
            }
            else
            {
                regex.Append(CultureInfo.InvariantCulture, $"(?<{digits.Unit}>{digits.Regex})");
                has.Add(digits.Unit);
            }
        }

        error = Tells(has)
            ? null
            : $"windows of time_pattern \"{pattern}\" repeat: it needs the year and every unit from the year down to its smallest unit";
        age = error is null ? new WindowAge(new Regex(regex.Append("\\z").ToString(), RegexOptions.CultureInvariant), has) : null;
        return error is null;
    }

    /// <summary>When a calendar window ended, in local time; null when the pattern does not write such a text.</summary>
    /// <param name="text">The text of the window.</param>
    public DateTime? EndOf(string text)
    {
        var match = _text.Match(text);
        if (!match.Success)
        {
            return null;
        }

        int Part(char unit, int absent) => _has.Contains(unit)
            ? int.Parse(match.Groups[unit.ToString()].ValueSpan, NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture)
            : absent;
        try
        {
            if (_has.Contains('s'))
            {
                return DateTimeOffset.FromUnixTimeSeconds(long.Parse(
                    match.Groups["s"].ValueSpan, NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture)).LocalDateTime.AddSeconds(1);
            }

            if (_has.Contains('G'))
            {
                return ISOWeek.ToDateTime(Part('G', 1), Part('V', 1), DayOfWeek.Monday).AddDays(7);
            }

            var year = _has.Contains('Y') ? Part('Y', 1) : 2000 + Part('y', 0);
            if (_has.Contains('W') || _has.Contains('U'))
            {
                return EndOfWeek(
                    year, _has.Contains('W') ? Part('W', 0) : Part('U', 0), _has.Contains('W') ? DayOfWeek.Monday : DayOfWeek.Sunday);
            }

            var start = _has.Contains('j')
                ? new DateTime(year, 1, 1).AddDays(Part('j', 1) - 1)
                : new DateTime(year, Part('m', 1), Part('d', 1));
            start = start.AddHours(Part('H', 0)).AddMinutes(Part('M', 0)).AddSeconds(Part('S', 0));
            return _has.Contains('S')
                ? start.AddSeconds(1)
                : _has.Contains('M') ? start.AddMinutes(1) : _has.Contains('H') ? start.AddHours(1)
                    : _has.Contains('d') || _has.Contains('j')
                        ? start.AddDays(1)
                        : _has.Contains('m') ? start.AddMonths(1) : start.AddYears(1);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            return null; // 2026-13, say: not of this pattern
        }
    }

    /// <summary>When the bucket of a rolling window has left it for good; null when the text names no bucket.</summary>
    /// <param name="text">The text of the window.</param>
    public static DateTimeOffset? BucketExpiry(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 2 || text[0] != 'w' || text.Length != colon + 11
            || !long.TryParse(text.AsSpan(1, colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || !long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var start)
            || seconds is 0 or > 1_000_000_000)
        {
            return null;
        }

        var span = TimeSpan.FromSeconds(seconds);
        return DateTimeOffset.FromUnixTimeSeconds(start) + span + CounterWindow.BucketLength(span);
    }

    private static IEnumerable<StrftimePart> Spell(StrftimePart part) =>
        part.Text is null
            && part.Conversion.IsPlain
            && s_long.TryGetValue(part.Conversion.Letter, out var spelled)
            && StrftimePattern.TryParse(spelled, out var parsed, out _)
            ? parsed.Parts
            : part is { Text: null, Conversion: { Letter: '%', IsPlain: true } } ? [new StrftimePart("%", default)] : [part];

    /// <summary>What a conversion writes, as a regular expression; null when it does not tell a time.</summary>
    private static (char Unit, string Regex, bool Varies)? Digits(StrftimeConversion conversion)
    {
        if (conversion.Width > MostWidth)
        {
            return null;
        }

        if (conversion.Letter == 's')
        {
            return ('s', conversion.Width == 0 ? @"\d{1,12}" : @" *\d{1,20}", true);
        }

        if (!s_digits.TryGetValue(conversion.Letter, out var known))
        {
            return null;
        }

        var width = Math.Max(known.Digits, conversion.Width);
        return conversion.Pad switch
        {
            '-' when conversion.Width <= 1 => (known.Unit, $@"\d{{1,{known.Digits}}}", true),
            '-' when conversion.Width < known.Digits => null,
            '-' or '_' => (known.Unit, Spaced(width), false),
            '\0' when conversion.Letter is 'e' or 'k' => (known.Unit, Spaced(width), false),
            _ => (known.Unit, $@"\d{{{width}}}", false),
        };
    }

    // A number of so many letters, spaces before its digits.
    private static string Spaced(int width) =>
        string.Join('|', Enumerable.Range(1, width).Reverse().Select(digits => $@" {{{width - digits}}}\d{{{digits}}}"));

    // Beside a digit, or what may be one, the end of a number of no fixed length cannot be seen.
    private static bool MayTouch(StrftimePart neighbour, bool before) => neighbour switch
    {
        { Text: { Length: > 0 } text } => char.IsAsciiDigit(before ? text[^1] : text[0]),
        { Conversion.Letter: '\0' } => false,
        _ => true,
    };

    /// <summary>
    /// Whether a bucket of a rolling window begins later than its window lasts, and more than a day, from now: what a clock that was wrong
    /// has left. Sooner ones stay, since it may be the present time that is wrong.
    /// </summary>
    /// <param name="text">The text of the window; one that names no bucket is none such.</param>
    /// <param name="now">The present time.</param>
    public static bool IsFarAhead(string text, DateTimeOffset now) =>
        BucketExpiry(text) is { } expiry
            && Span(text) is var span
            && expiry - span - CounterWindow.BucketLength(span) - now > (span > s_day ? span : s_day);

    private static TimeSpan Span(string bucket) =>
        TimeSpan.FromSeconds(long.Parse(bucket.AsSpan(1, bucket.IndexOf(':') - 1), CultureInfo.InvariantCulture));

    private static bool Tells(HashSet<char> has)
    {
        if (has.Contains('s'))
        {
            return true;
        }

        if (has.Contains('G') || has.Contains('V'))
        {
            return has.SetEquals("GV");
        }

        var units = new HashSet<char>(has.Select(c => c == 'Y' ? 'y' : c));
        if (units.Contains('W') || units.Contains('U'))
        {
            return units.Count == 2 && units.Contains('y');
        }

        if (units.Remove('j'))
        {
            if (units.Contains('m') || units.Contains('d'))
            {
                return false;
            }

            units.UnionWith("md");
        }

        return units.Count > 0 && units.SetEquals(Units[..units.Count]);
    }

    private static DateTime EndOfWeek(int year, int week, DayOfWeek first)
    {
        var newYear = new DateTime(year, 1, 1);
        var firstWeek = newYear.AddDays(((int)first - (int)newYear.DayOfWeek + 7) % 7);
        return firstWeek.AddDays(7 * week);
    }
}
