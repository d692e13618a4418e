using Microsoft.Extensions.Logging;

namespace Policyd.Engine.Life;

/// <summary>What is said of plugins that take their time.</summary>
internal static partial class PluginLifeLog
{
    [LoggerMessage(
        EventId = 241,
        Level = LogLevel.Warning,
        Message = "plugin {Plugin} is slow: it is still {What} after {Elapsed}, and is given up after {Timeout}")]
    public static partial void IsSlow(ILogger logger, string plugin, string what, string elapsed, string timeout);

    [LoggerMessage(EventId = 242, Level = LogLevel.Error, Message = "plugin {Plugin} has not ended within {Timeout} (plugin_stop_timeout); "
        + "the server does not wait for it any longer")]
    public static partial void EndsNot(ILogger logger, string plugin, string timeout);

    [LoggerMessage(
        EventId = 243,
        Level = LogLevel.Error,
        Message = "cron of {What} was cancelled after {Timeout} (cron: timeout)")]
    public static partial void CronTimedOut(ILogger logger, string what, string timeout);

    [LoggerMessage(
        EventId = 244,
        Level = LogLevel.Error,
        Message = "cron of {What} has not ended within {Timeout} (cron: timeout) and runs on; the others have their turn, and this one has "
            + "none until it ends")]
    public static partial void CronRunsOn(ILogger logger, string what, string timeout);

    [LoggerMessage(
        EventId = 245,
        Level = LogLevel.Error,
        Message = "cron of {What} is skipped: its former run has not ended yet")]
    public static partial void CronStillRuns(ILogger logger, string what);
}
