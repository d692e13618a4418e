using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Counters;

/// <summary>
/// The log lines of the counters. The actors write them here and not by Akka's log, which goes through another actor: its lines of the last
/// moment are lost when the system ends.
/// </summary>
internal static partial class CounterLog
{
    [LoggerMessage(
        EventId = 13,
        Level = LogLevel.Error,
        Message = "{Connection}: the counter tables cannot be prepared yet; mail goes on without them: {Reason}")]
    public static partial void NotPrepared(ILogger logger, string connection, string reason);

    [LoggerMessage(EventId = 14, Level = LogLevel.Warning, Message = "{Connection}: {Done}")]
    public static partial void TableChanged(ILogger logger, string connection, string done);

    [LoggerMessage(EventId = 15, Level = LogLevel.Warning, Message = "{Connection}: {Warning}")]
    public static partial void TableWarning(ILogger logger, string connection, string warning);

    [LoggerMessage(
        EventId = 16,
        Level = LogLevel.Error,
        Message = "{Connection}: stopped, and counters of {Table} could not be written (mails: {Mails}, rows: {Rows}){Yet}: {Reason}")]
    public static partial void Unwritten(ILogger logger, string connection, string table, long mails, int rows, string yet, string reason);

    [LoggerMessage(
        EventId = 17,
        Level = LogLevel.Error,
        Message = "{Connection}: counters cannot be written; they are kept in {Place} and retried: {Reason}")]
    public static partial void CannotWrite(ILogger logger, string connection, string place, string reason);

    [LoggerMessage(
        EventId = 190,
        Level = LogLevel.Error,
        Message = "{Connection}: counters are not written any more; they are kept until this node is a member again: {Reason}")]
    public static partial void Fenced(ILogger logger, string connection, string reason);

    [LoggerMessage(
        EventId = 18,
        Level = LogLevel.Error,
        Message = "{Connection}: counters of {Table} cannot be written; they are kept in {Place} and retried: {Reason}")]
    public static partial void CannotWriteTable(ILogger logger, string connection, string table, string place, string reason);

    [LoggerMessage(
        EventId = 19,
        Level = LogLevel.Warning,
        Message = "{Connection}: the database is back, counters are being written again; {Mails} mails were "
            + "answered before they were counted")]
    public static partial void WritesBack(ILogger logger, string connection, long mails);

    [LoggerMessage(
        EventId = 20,
        Level = LogLevel.Warning,
        Message = "{Connection}: the database is back, counters of {Table} are being written again")]
    public static partial void TableBack(ILogger logger, string connection, string table);

    [LoggerMessage(EventId = 21, Level = LogLevel.Error, Message = "{Connection}: counters cannot be read: {Reason}")]
    public static partial void CannotRead(ILogger logger, string connection, string reason);

    [LoggerMessage(EventId = 22, Level = LogLevel.Error, Message = "{Connection}: counters of {Table} cannot be read: {Reason}")]
    public static partial void CannotReadTable(ILogger logger, string connection, string table, string reason);

    [LoggerMessage(
        EventId = 23,
        Level = LogLevel.Warning,
        Message = "{Connection}: the database is back, counters of {Table} are being read again; {Requests} "
            + "requests were answered as unavailable")]
    public static partial void ReadsBack(ILogger logger, string connection, string table, long requests);

    [LoggerMessage(EventId = 24, Level = LogLevel.Warning, Message = "{Connection}: {More} more {What} ({Why}): {Reason}")]
    public static partial void Missed(ILogger logger, string connection, long more, string what, string why, string reason);

    [LoggerMessage(
        EventId = 25,
        Level = LogLevel.Warning,
        Message = "{Connection}: the database is slow: {Work} has taken {Seconds:0.0} s so far and delays mail")]
    public static partial void IsSlow(ILogger logger, string connection, string work, double seconds);

    [LoggerMessage(EventId = 26, Level = LogLevel.Warning, Message = "{Connection}: {Work} took {Seconds:0.0} s")]
    public static partial void WasSlow(ILogger logger, string connection, string work, double seconds);

    [LoggerMessage(
        EventId = 68,
        Level = LogLevel.Warning,
        Message = "counters: a message of {Node} cannot be read: {Reason} ({More} more since the last line)")]
    public static partial void DamagedMessage(ILogger logger, string node, string reason, long more);

    [LoggerMessage(
        EventId = 69,
        Level = LogLevel.Error,
        Message = "counters: {Most} mails wait for another node to acknowledge their counts; the oldest is given up, and its mail may not "
            + "be counted ({More} more since the last line)")]
    public static partial void NotAcknowledged(ILogger logger, int most, long more);

    [LoggerMessage(
        EventId = 89,
        Level = LogLevel.Error,
        Message = "counters: mails that another node has not acknowledged cannot be kept on the disk: {Reason}; they are sent until they "
            + "are acknowledged, and lost if this server is killed before ({More} more since the last line)")]
    public static partial void NotKept(ILogger logger, string reason, long more);

    [LoggerMessage(EventId = 282, Level = LogLevel.Information, Message = "cluster: direct connection to node {Node} for counters")]
    public static partial void DirectConnection(ILogger logger, string node);
}
