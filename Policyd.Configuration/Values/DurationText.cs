using System.Globalization;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Values;

/// <summary>
/// Durations as text: <c>20s</c>, <c>500 ms</c>, <c>2 hours</c>; a bare number is seconds, as everywhere in mtpolicyd.conf
/// (the HOCON specification would take milliseconds there).
/// </summary>
public static class DurationText
{
    private static readonly Dictionary<string, long> s_ticks = new(StringComparer.Ordinal)
    {
        [""] = TimeSpan.TicksPerSecond,
        ["us"] = TimeSpan.TicksPerMicrosecond,
        ["micro"] = TimeSpan.TicksPerMicrosecond,
        ["micros"] = TimeSpan.TicksPerMicrosecond,
        ["microsecond"] = TimeSpan.TicksPerMicrosecond,
        ["microseconds"] = TimeSpan.TicksPerMicrosecond,
        ["ms"] = TimeSpan.TicksPerMillisecond,
        ["milli"] = TimeSpan.TicksPerMillisecond,
        ["millis"] = TimeSpan.TicksPerMillisecond,
        ["millisecond"] = TimeSpan.TicksPerMillisecond,
        ["milliseconds"] = TimeSpan.TicksPerMillisecond,
        ["s"] = TimeSpan.TicksPerSecond,
        ["second"] = TimeSpan.TicksPerSecond,
        ["seconds"] = TimeSpan.TicksPerSecond,
        ["m"] = TimeSpan.TicksPerMinute,
        ["minute"] = TimeSpan.TicksPerMinute,
        ["minutes"] = TimeSpan.TicksPerMinute,
        ["h"] = TimeSpan.TicksPerHour,
        ["hour"] = TimeSpan.TicksPerHour,
        ["hours"] = TimeSpan.TicksPerHour,
        ["d"] = TimeSpan.TicksPerDay,
        ["day"] = TimeSpan.TicksPerDay,
        ["days"] = TimeSpan.TicksPerDay,
    };

    /// <summary>Reads a duration; it is not negative.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The duration.</param>
    /// <param name="error">What is wrong with it.</param>
    public static bool TryParse(string text, out TimeSpan value, out string? error)
    {
        value = default;
        error = $"expected a duration such as 20s, 5m or a number of seconds, found {Printable.Quote(text)}";
        if (!UnitText.TrySplit(text, out var number, out var unit))
        {
            return false;
        }

        var isNanoseconds = unit is "ns" or "nano" or "nanos" or "nanosecond" or "nanoseconds";
        if (!s_ticks.TryGetValue(unit, out var ticks) && !isNanoseconds)
        {
            error = $"unknown duration unit {Printable.Quote(unit)}; expected ms, s, m, h or d";
            return false;
        }

        if (number < 0 || number > TimeSpan.MaxValue.Ticks / (decimal)Math.Max(ticks, 1))
        {
            error = $"a duration must be between 0 and {TimeSpan.MaxValue.Days} days, found {Printable.Quote(text)}";
            return false;
        }

        value = new TimeSpan((long)(isNanoseconds ? number / TimeSpan.NanosecondsPerTick : number * ticks));
        error = null;
        return true;
    }

    /// <summary>A duration in the largest unit that divides it: <c>5m</c>, <c>90s</c>, <c>1500ms</c>.</summary>
    /// <param name="value">The duration.</param>
    public static string Format(TimeSpan value)
    {
        (string Name, long Ticks)[] units =
        [
            ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute),
            ("s", TimeSpan.TicksPerSecond), ("ms", TimeSpan.TicksPerMillisecond), ("us", TimeSpan.TicksPerMicrosecond),
        ];
        if (value == TimeSpan.Zero)
        {
            return "0s";
        }

        foreach (var (name, ticks) in units)
        {
            if (value.Ticks % ticks == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{value.Ticks / ticks}{name}");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value.Ticks * TimeSpan.NanosecondsPerTick}ns");
    }
}
