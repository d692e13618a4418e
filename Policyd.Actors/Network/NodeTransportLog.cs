using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Network;

internal static partial class NodeTransportLog
{
    [LoggerMessage(
        EventId = 170, Level = LogLevel.Warning, Message = "cluster: refused {Peer}: {Reason} ({LeftOut} more since the last line)")]
    public static partial void Refused(ILogger logger, string peer, string reason, long leftOut);

    [LoggerMessage(
        EventId = 171,
        Level = LogLevel.Warning,
        Message = "cluster: no connection to node {Node}: {Reason} ({LeftOut} more since the last line)")]
    public static partial void NotConnected(ILogger logger, string node, string reason, long leftOut);

    [LoggerMessage(EventId = 172, Level = LogLevel.Information, Message = "cluster: connected to node {Node} after {Seconds:0.0} s")]
    public static partial void Connected(ILogger logger, string node, double seconds);

    [LoggerMessage(
        EventId = 173,
        Level = LogLevel.Information,
        Message = "cluster: the renewed certificate is used for new connections; it is valid until {Until}")]
    public static partial void Renewed(ILogger logger, string until);

    [LoggerMessage(
        EventId = 174,
        Level = LogLevel.Warning,
        Message = "cluster: the earlier certificate stays in use, because the files cannot be used: {Reason} ({LeftOut} more "
            + "since the last line)")]
    public static partial void NotRenewed(ILogger logger, string reason, long leftOut);

    [LoggerMessage(EventId = 175, Level = LogLevel.Error, Message = "cluster: connections of other nodes are no longer accepted: {Reason}")]
    public static partial void NoLongerAccepts(ILogger logger, string reason);
}
