using Policyd.Configuration.Values;

namespace Policyd.Plugins.Counters;

/// <summary>A kind of window that a counter counts by: a calendar's, or a rolling one.</summary>
public sealed record CounterWindowKind
{
    private CounterWindowKind(string? pattern, TimeSpan? length) => (Pattern, Length) = (pattern, length);

    /// <summary>The calendar window's <c>time_pattern</c>; null for a rolling one.</summary>
    public string? Pattern { get; }

    /// <summary>The rolling window's length; null for a calendar one.</summary>
    public TimeSpan? Length { get; }

    /// <summary>As it is configured: <c>%Y-%m</c>, <c>1h</c>.</summary>
    public string Name => Length is { } length ? DurationText.Format(length) : Pattern!;

    /// <summary>Windows of a calendar, in local time.</summary>
    /// <param name="pattern">A pattern of strftime: <c>%Y-%m</c> counts by month, <c>%Y-%m-%d</c> by day.</param>
    public static CounterWindowKind Calendar(string pattern) => new(pattern ?? throw new ArgumentNullException(nameof(pattern)), null);

    /// <summary>Windows that end now, at every time.</summary>
    /// <param name="length">How long they are; whole seconds, at least one.</param>
    public static CounterWindowKind Rolling(TimeSpan length) => new(null, length);

    /// <summary>A rolling window when a length is given, else the calendar's.</summary>
    /// <param name="pattern">The calendar's pattern, see <see cref="Calendar"/>.</param>
    /// <param name="length">The rolling window's length, see <see cref="Rolling"/>; null for a calendar window.</param>
    public static CounterWindowKind Of(string pattern, TimeSpan? length) =>
        length is { } rolling ? Rolling(rolling) : Calendar(pattern);

    /// <summary>The window of a time.</summary>
    /// <param name="now">The time, in the zone whose calendar counts.</param>
    public CounterWindow At(DateTimeOffset now) =>
        Length is { } length ? CounterWindow.Sliding(length, now) : CounterWindow.Calendar(Pattern!, now);

    /// <summary>Whether the text can name one of these windows; null when the pattern does not let that be told.</summary>
    /// <param name="time">A text as it stands in the table's <c>time</c> column.</param>
    public bool? CanBe(string time) =>
        Length is not null ? false : WindowAge.TryCreate(Pattern!, out var age, out _) ? age.EndOf(time) is not null : null;

    /// <summary>What is wrong with it; null when nothing is.</summary>
    internal string? Check() => Length is { } length
        ? length < TimeSpan.FromSeconds(1) ? "a rolling window must be at least one second long" : null
        : Strftime.Check(Pattern!);
}
