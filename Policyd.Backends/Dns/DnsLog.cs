using Microsoft.Extensions.Logging;
using Policyd.Plugins.Dns;

namespace Policyd.Backends.Dns;

/// <summary>The log lines of the resolver.</summary>
internal static partial class DnsLog
{
    [LoggerMessage(
        EventId = 1,
        Level = LogLevel.Warning,
        Message = "dns: {Zone} has not answered {Count} times in a row; no query is sent to it for {Seconds} s")]
    public static partial void ZoneSilent(ILogger logger, string zone, int count, double seconds);

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "dns: {Zone} answers again")]
    public static partial void ZoneBack(ILogger logger, string zone);

    [LoggerMessage(
        EventId = 3,
        Level = LogLevel.Warning,
        Message = "dns: a lookup for {Kind} under {Zone} was skipped because {Bound} ({Count} more since the last line)")]
    public static partial void LookupLeftOut(ILogger logger, string kind, string zone, string bound, long count);

    [LoggerMessage(EventId = 4, Level = LogLevel.Error, Message = "dns: a lookup of {Type} records failed")]
    public static partial void LookupFailed(ILogger logger, DnsRecordType type, Exception exception);
}
