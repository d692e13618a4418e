using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;
using Policyd.Server.Logging;

namespace Policyd.Server.History;

/// <summary>
/// What is the matter with a history: for the log, the first time at once, then once a minute, and for whoever asks how the server is.
/// </summary>
internal sealed partial class HistoryTroubles(ILogger logger, string database)
{
    private static readonly TimeSpan s_between = TimeSpan.FromMinutes(1);

    private readonly LogThrottle _away = new(TimeProvider.System, s_between);
    private readonly LogThrottle _lost = new(TimeProvider.System, s_between);
    private readonly LogThrottle _notPurged = new(TimeProvider.System, s_between);

    // Each is of its own task. A disk that is full can still be read.
    private volatile string? _whyNotWritten;
    private volatile string? _whyNotReached;

    /// <summary>Why decisions cannot be stored now; null when they can, as far as it is known.</summary>
    public string? Reason => _whyNotWritten ?? _whyNotReached;

    /// <summary>A batch could not be written.</summary>
    public void Away(Exception failure)
    {
        _whyNotWritten = LogText.OneLine(failure.Message);
        if (_away.Enter(out _))
        {
            NotWritten(logger, database, LogText.OneLine(failure.Message));
        }
    }

    /// <summary>A batch was written.</summary>
    /// <param name="dropped">How many decisions were dropped since the begin.</param>
    public void Over(long dropped)
    {
        _whyNotWritten = null;
        if (_away.Leave(out _, out _))
        {
            WrittenAgain(logger, database, dropped);
        }
    }

    /// <summary>The database was not reached, but nothing was to be written. The log says so when something is.</summary>
    public void NotReached(Exception failure) => _whyNotReached = LogText.OneLine(failure.Message);

    /// <summary>The database was reached.</summary>
    public void Reached() => _whyNotReached = null;

    /// <summary>The queue was full.</summary>
    public void Lost(long decisions)
    {
        if (decisions > 0 && _lost.Enter(out _))
        {
            TooMany(logger, database, decisions);
        }
    }

    /// <summary>The writer has ended.</summary>
    public void NotStored(long decisions) => Ended(logger, database, decisions);

    /// <summary>Old decisions are still there.</summary>
    public void NotPurged(Exception failure)
    {
        if (_notPurged.Enter(out _))
        {
            NotDeleted(logger, database, LogText.OneLine(failure.Message));
        }
    }

    [LoggerMessage(
        EventId = 220,
        Level = LogLevel.Warning,
        Message = "{Database}: decisions cannot be stored: {Reason}; some wait, and further ones are dropped")]
    private static partial void NotWritten(ILogger logger, string database, string reason);

    [LoggerMessage(
        EventId = 221,
        Level = LogLevel.Information,
        Message = "{Database}: decisions are stored again; {Dropped} were dropped since the history began")]
    private static partial void WrittenAgain(ILogger logger, string database, long dropped);

    [LoggerMessage(
        EventId = 222,
        Level = LogLevel.Warning,
        Message = "{Database}: {Decisions} decisions were dropped, because more came than could be stored")]
    private static partial void TooMany(ILogger logger, string database, long decisions);

    [LoggerMessage(
        EventId = 223,
        Level = LogLevel.Warning,
        Message = "{Database}: the history has ended; {Decisions} decisions of this server are not in it")]
    private static partial void Ended(ILogger logger, string database, long decisions);

    [LoggerMessage(EventId = 224, Level = LogLevel.Warning, Message = "{Database}: old decisions cannot be deleted: {Reason}")]
    private static partial void NotDeleted(ILogger logger, string database, string reason);
}
