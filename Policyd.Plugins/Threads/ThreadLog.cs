using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Threads;

/// <summary>The log lines of plugins that hold threads.</summary>
internal static partial class ThreadLog
{
    [LoggerMessage(
        EventId = 260,
        Level = LogLevel.Warning,
        Message = "{VirtualHost}: plugin={Plugin}: holds {Threads} threads, up to {Seconds:0.0} s, without await; "
            + "it runs on threads of its own from now on")]
    public static partial void Held(ILogger logger, string virtualHost, string plugin, int threads, double seconds);

    [LoggerMessage(
        EventId = 261,
        Level = LogLevel.Warning,
        Message = "{VirtualHost}: plugin={Plugin}: its blocking code (RunBlockingAsync) holds {Threads} of {Most} threads, up to "
            + "{Seconds:0} s; it needs a time limit of its own")]
    public static partial void Endless(ILogger logger, string virtualHost, string plugin, int threads, int most, double seconds);
}
