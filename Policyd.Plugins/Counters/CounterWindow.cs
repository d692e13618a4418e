using System.Globalization;

namespace Policyd.Plugins.Counters;

/// <summary>
/// The window that a mail counts into. It is computed once, by the node that received the request, so that two nodes whose
/// clocks differ never argue about it.
/// </summary>
/// <param name="Time">The text in the table's <c>time</c> column.</param>
/// <param name="Rolling">The length of a rolling window; null for a calendar one.</param>
public readonly record struct CounterWindow(string Time, TimeSpan? Rolling = null)
{
    private const int Buckets = 60;
    private const long LastStart = 9_999_999_999;
    private const int StartDigits = 10;

    /// <summary>A calendar window: strftime of local time, as mtpolicyd writes it.</summary>
    /// <param name="pattern">For example <c>%Y-%m</c>.</param>
    /// <param name="now">The present time, in the zone whose calendar counts.</param>
    public static CounterWindow Calendar(string pattern, DateTimeOffset now) => new(Strftime.Format(pattern, now));

    /// <summary>
    /// A rolling window: the bucket of the present time. A bucket is a sixtieth of the window, at least a second, and one row of the
    /// table. Its text is <c>w</c>, the window's seconds, a colon and the bucket's start in epoch seconds of ten digits, so that
    /// the order of the texts is the order of time.
    /// </summary>
    /// <param name="span">The window's length; whole seconds, at least one.</param>
    /// <param name="now">The present time.</param>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than a second.</exception>
    public static CounterWindow Sliding(TimeSpan span, DateTimeOffset now)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(span, TimeSpan.FromSeconds(1));
        return new CounterWindow(BucketText(span, BucketStart(span, now.ToUnixTimeSeconds())), span);
    }

    /// <summary>The window of a row, by the text of its <c>time</c>.</summary>
    /// <param name="time">The text.</param>
    public static CounterWindow OfRow(string time)
    {
        ArgumentNullException.ThrowIfNull(time);
        var colon = time.IndexOf(':', StringComparison.Ordinal);
        var isRolling = colon > 1 && time[0] == 'w' && time.Length == colon + 1 + StartDigits
            && !time.AsSpan(1, colon - 1).ContainsAnyExceptInRange('0', '9')
            && !time.AsSpan(colon + 1).ContainsAnyExceptInRange('0', '9')
            && long.TryParse(time.AsSpan(1, colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            && seconds is > 0 and <= LastStart;
        return isRolling
            ? new CounterWindow(time, TimeSpan.FromSeconds(long.Parse(time.AsSpan(1, colon - 1), CultureInfo.InvariantCulture)))
            : new CounterWindow(time);
    }

    /// <summary>What all requests of one window have in common: a calendar window's text, a rolling one's without its bucket.</summary>
    public string Name => Rolling is null ? Time : Time[..Time.IndexOf(':', StringComparison.Ordinal)];

    /// <summary>Whether this is the name of the window, without making it.</summary>
    internal bool IsNamed(string name) => Rolling is null
        ? name == Time
        : Time.Length > name.Length && Time[name.Length] == ':' && Time.StartsWith(name, StringComparison.Ordinal);

    /// <summary>The length of one bucket of a rolling window.</summary>
    public static TimeSpan BucketLength(TimeSpan span) => TimeSpan.FromSeconds(BucketSeconds(span));

    /// <summary>
    /// The rows whose sum is the window's value: the one row of a calendar window; of a rolling one the buckets that end after
    /// the span before this bucket's start, so that no mail of the last span is ever left out (and at most one bucket
    /// more is counted).
    /// </summary>
    public CounterTimeRange Range
    {
        get
        {
            if (Rolling is not { } span)
            {
                return new CounterTimeRange(Time, Time);
            }

            return new CounterTimeRange(BucketText(span, BucketStart(span, Start - (long)span.TotalSeconds)), Time);
        }
    }

    /// <summary>
    /// The rows to read of a rolling window: its own; the buckets of a sixth of it before, so that requests that overtake one another, and
    /// nodes whose clocks differ a little, need no second look; and those whose time is yet to come, since a clock that was put back may
    /// have left some. Of a calendar window its one row.
    /// </summary>
    public CounterTimeRange RowsToRead
    {
        get
        {
            if (Rolling is not { } span)
            {
                return new CounterTimeRange(Time, Time);
            }

            var seconds = (long)span.TotalSeconds;
            return new CounterTimeRange(BucketText(span, BucketStart(span, Start - seconds - (seconds / 6))), BucketText(span, LastStart));
        }
    }

    /// <summary>
    /// The text of the last bucket that counts at a time: this window's own, or, when that time is later, the bucket of the time.
    /// </summary>
    /// <param name="now">The time by the clock of who counts.</param>
    public string LastAt(DateTimeOffset now) =>
        Rolling is { } span && BucketStart(span, now.ToUnixTimeSeconds()) is var start && start > Start ? BucketText(span, start) : Time;

    /// <summary>Of a rolling window: when its bucket begins, in epoch seconds.</summary>
    internal long BucketBegin => Start;

    /// <summary>The rolling window whose bucket begins at a time.</summary>
    internal static CounterWindow OfBucket(TimeSpan span, long start) => new(BucketText(span, start), span);

    private long Start => long.Parse(Time.AsSpan(Time.IndexOf(':') + 1), CultureInfo.InvariantCulture);

    private static long BucketSeconds(TimeSpan span) => Math.Max(1, ((long)span.TotalSeconds + Buckets - 1) / Buckets);

    private static long BucketStart(TimeSpan span, long epoch)
    {
        var seconds = BucketSeconds(span);
        return Math.Max(0, epoch - (epoch % seconds));
    }

    private static string BucketText(TimeSpan span, long start) =>
        string.Create(CultureInfo.InvariantCulture, $"w{(long)span.TotalSeconds}:{start:D10}");
}

/// <summary>Rows by the text of their <c>time</c>, both ends included.</summary>
/// <param name="From">The first text.</param>
/// <param name="To">The last text; the same as <paramref name="From"/> names one row.</param>
public readonly record struct CounterTimeRange(string From, string To);
