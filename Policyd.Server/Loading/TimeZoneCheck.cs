using Policyd.Configuration.Tree;

namespace Policyd.Server.Loading;

/// <summary>
/// Whether the time zone of the environment is one that .NET knows. It takes names and files only: for a POSIX rule, which mtpolicyd's
/// strftime takes too, it uses UTC without a word, and every window of a counter is another one then.
/// </summary>
internal static class TimeZoneCheck
{
    /// <summary>Adds a warning where <c>TZ</c> is not known.</summary>
    public static void AddTo(DiagnosticBag diagnostics, ConfigObject root)
    {
        if (Environment.GetEnvironmentVariable("TZ") is { } zone && !IsKnown(zone))
        {
            diagnostics.Warning(
                root.Position,
                $"TZ={zone} is no time zone that is known here, so windows and times are in UTC; "
                    + "set TZ to a name, such as Europe/Berlin");
        }
    }

    /// <summary>Whether the local time is that of a value of <c>TZ</c>.</summary>
    internal static bool IsKnown(string zone)
    {
        var name = zone.TrimStart(':');
        return name is "" or "UTC0"
            || (Path.IsPathRooted(name) ? File.Exists(name) : TimeZoneInfo.TryFindSystemTimeZoneById(name, out _));
    }
}
