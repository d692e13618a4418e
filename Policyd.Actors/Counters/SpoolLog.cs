using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Counters;

/// <summary>The log lines of the spool.</summary>
internal static partial class SpoolLog
{
    [LoggerMessage(
        EventId = 60,
        Level = LogLevel.Warning,
        Message = "counters: the spool {Folder} cannot be written: {Reason}; mails that are answered while the database is away are "
            + "kept in memory only, and are lost if the server is killed")]
    public static partial void NotWritable(ILogger logger, string folder, string reason);

    [LoggerMessage(
        EventId = 61,
        Level = LogLevel.Warning,
        Message = "{Connection}: {File} has {Mails} mails for {Table} that an earlier run answered; they are written to the "
            + "database first")]
    public static partial void Found(ILogger logger, string connection, string file, long mails, string table);

    [LoggerMessage(
        EventId = 62,
        Level = LogLevel.Warning,
        Message = "{Connection}: {Mails} mails for {Table} that an earlier run answered are in the database now")]
    public static partial void Replayed(ILogger logger, string connection, long mails, string table);

    [LoggerMessage(
        EventId = 63,
        Level = LogLevel.Warning,
        Message = "{Connection}: the last {Bytes} bytes of {File} are incomplete: they were being written when the server ended, before "
            + "anything of them was answered")]
    public static partial void Cut(ILogger logger, string connection, string file, long bytes);

    [LoggerMessage(
        EventId = 64,
        Level = LogLevel.Error,
        Message = "{Connection}: {File} has mails that were counted for another database ({Other}); this connection is {Database}. "
            + "The file stays. To write it to this database, set policyd.spool.directory to its folder")]
    public static partial void OtherDatabase(ILogger logger, string connection, string file, string other, string database);

    [LoggerMessage(
        EventId = 65,
        Level = LogLevel.Error,
        Message = "{Connection}: {File} is not a spool that this version can read; the file stays")]
    public static partial void Unreadable(ILogger logger, string connection, string file);

    [LoggerMessage(
        EventId = 66,
        Level = LogLevel.Error,
        Message = "{Connection}: {File} with {Mails} mails is older than {Days} days: the database no longer knows which of them it has. "
            + "They are not written, and the file stays")]
    public static partial void TooOld(ILogger logger, string connection, string file, long mails, double days);

    [LoggerMessage(
        EventId = 67,
        Level = LogLevel.Warning,
        Message = "{Connection}: stopped; mails for {Table} are in the spool and are written at the next start (mails: {Mails}, "
            + "rows: {Rows})")]
    public static partial void LeftInSpool(ILogger logger, string connection, string table, long mails, int rows);
}
