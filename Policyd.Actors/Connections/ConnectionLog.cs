using Microsoft.Extensions.Logging;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>The log lines of connections and listeners. Texts from the network are escaped before they come here.</summary>
internal static partial class ConnectionLog
{
    [LoggerMessage(EventId = 91, Level = LogLevel.Information, Message = "no longer listening on {Listener}")]
    public static partial void NoLongerListening(ILogger logger, PolicyEndpoint listener);

    [LoggerMessage(
        EventId = 1,
        Level = LogLevel.Warning,
        Message = "malformed request from {Peer} on {Listener}: {Error}; connection closed ({Suppressed} more since the last line)")]
    public static partial void Malformed(ILogger logger, string peer, PolicyEndpoint listener, string error, long suppressed);

    [LoggerMessage(
        EventId = 2,
        Level = LogLevel.Error,
        Message = "no virtual host for a request from {Peer} on {Listener} with policy_context \"{Context}\"; connection closed "
            + "({Suppressed} more since the last line)")]
    public static partial void NoVirtualHost(ILogger logger, string peer, PolicyEndpoint listener, string context, long suppressed);

    [LoggerMessage(
        EventId = 3,
        Level = LogLevel.Error,
        Message = "{VirtualHost}: instance={Instance}: no result within {Seconds} s; connection closed "
            + "({Suppressed} more since the last line)")]
    public static partial void AskedTooLong(ILogger logger, string virtualHost, string instance, double seconds, long suppressed);

    [LoggerMessage(
        EventId = 4,
        Level = LogLevel.Warning,
        Message = "request from {Peer} on {Listener} not complete within {Seconds} s; connection closed "
            + "({Suppressed} more since the last line)")]
    public static partial void ReceivedTooLong(ILogger logger, string peer, PolicyEndpoint listener, double seconds, long suppressed);

    [LoggerMessage(
        EventId = 5,
        Level = LogLevel.Warning,
        Message = "max_connections ({Maximum}) reached on {Listener}: connection refused ({Suppressed} more since the last line)")]
    public static partial void Refused(ILogger logger, int maximum, PolicyEndpoint listener, long suppressed);

    [LoggerMessage(
        EventId = 6,
        Level = LogLevel.Error,
        Message = "connection from {Peer} on {Listener} failed ({Suppressed} more since the last line)")]
    public static partial void Failed(ILogger logger, string peer, PolicyEndpoint listener, long suppressed, Exception exception);

    [LoggerMessage(
        EventId = 7,
        Level = LogLevel.Error,
        Message = "cannot accept a connection on {Listener}: {Error} ({Suppressed} more since the last line)")]
    public static partial void AcceptFailed(ILogger logger, PolicyEndpoint listener, string error, long suppressed);

    [LoggerMessage(EventId = 8, Level = LogLevel.Warning, Message = "{More} more {What} since the last such line")]
    public static partial void More(ILogger logger, long more, string what);

    [LoggerMessage(
        EventId = 9,
        Level = LogLevel.Warning,
        Message = "{Connections} connections are open and the limit of open files allows no more; new connections on {Listener} wait "
            + "(raise LimitNOFILE= in the unit, or ulimit -n)")]
    public static partial void Waiting(ILogger logger, int connections, PolicyEndpoint listener);

    [LoggerMessage(EventId = 10, Level = LogLevel.Information, Message = "listening on {Listener}")]
    public static partial void Listening(ILogger logger, PolicyEndpoint listener);

    [LoggerMessage(
        EventId = 280,
        Level = LogLevel.Warning,
        Message = "the service manager has passed {Address}, and listen does not name it: who connects there waits for ever (write it in "
            + "listen as it is in ListenStream=)")]
    public static partial void NotAccepting(ILogger logger, string address);

    [LoggerMessage(
        EventId = 11, Level = LogLevel.Information, Message = "draining: {Connections} connections open, {InFlight} requests in flight")]
    public static partial void Draining(ILogger logger, int connections, long inFlight);

    [LoggerMessage(
        EventId = 12, Level = LogLevel.Warning, Message = "{Connections} connections were still busy after {Seconds} s and are closed")]
    public static partial void CutOff(ILogger logger, int connections, double seconds);
}
