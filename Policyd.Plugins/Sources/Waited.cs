using System.Globalization;

namespace Policyd.Plugins.Sources;

/// <summary>How the log calls a wait that ended without an answer: with its length, so that one sees which time-out it was.</summary>
public static class Waited
{
    /// <summary><c>timed out after 3 s</c>.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="since">Its timestamp at the beginning of the wait.</param>
    public static string TimedOut(TimeProvider clock, long since) => TimedOut(clock.GetElapsedTime(since));

    /// <inheritdoc cref="TimedOut(TimeProvider, long)"/>
    /// <param name="time">How long was waited.</param>
    public static string TimedOut(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"timed out after {Math.Round(time.TotalSeconds, time.TotalSeconds < 1 ? 2 : 1)} s");
}
