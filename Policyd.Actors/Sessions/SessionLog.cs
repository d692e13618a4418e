using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Sessions;

/// <summary>The log lines of the sessions.</summary>
internal static partial class SessionLog
{
    [LoggerMessage(EventId = 33, Level = LogLevel.Error, Message = "{VirtualHost}: instance={Instance}: the request failed")]
    public static partial void RequestFailed(ILogger logger, string virtualHost, string instance, Exception exception);

    [LoggerMessage(
        EventId = 34,
        Level = LogLevel.Warning,
        Message = "session cache: cannot {Operation} a session; requests go on without it ({Suppressed} more since the last line)")]
    public static partial void StoreFailed(ILogger logger, string operation, long suppressed, Exception exception);

    [LoggerMessage(
        EventId = 35,
        Level = LogLevel.Warning,
        Message = "a plugin has blocked instance {Instance} for {Seconds} s; the next requests of the instance no longer wait for it")]
    public static partial void Replaced(ILogger logger, string instance, long seconds);
}
