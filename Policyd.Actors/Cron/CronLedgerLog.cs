using Akka.Pattern;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Cron;

/// <summary>
/// What an operator reads of a ledger whose database is away: a sentence with what the database said, once in a while, and one when it is
/// used again. Outlives the scheduler, which is started anew after each failure.
/// </summary>
/// <param name="where">What the ledger rests in.</param>
/// <param name="reasonOf">What an operator reads of a failure there.</param>
/// <param name="logger">The log.</param>
internal sealed partial class CronLedgerLog(string where, Func<Exception, string> reasonOf, ILogger logger)
{
    private readonly LogThrottle _throttle = new(TimeProvider.System);
    private string _why = "it does not answer";

    /// <summary>The ledger could not be prepared, read or written.</summary>
    public void Away(Exception cause)
    {
        _why = cause.GetBaseException() switch
        {
            // A breaker that is open tells nothing of the database, which it did not ask.
            _ when cause is OpenCircuitException => _why,

            // The driver's transaction, of which the library wanted something after its connection was lost. The text is the class's name.
            ObjectDisposedException => "the connection broke",
            var root => reasonOf(root),
        };
        if (_throttle.Enter(out _))
        {
            LedgerAway(logger, where, _why);
        }
    }

    /// <summary>The ledger was read.</summary>
    public void Back()
    {
        if (_throttle.Leave(out var after, out _))
        {
            LedgerBack(logger, where, after.TotalSeconds);
        }
    }

    [LoggerMessage(
        EventId = 27,
        Level = LogLevel.Error,
        Message = "cron: the ledger in {Database} is unavailable, no task runs until it is back: {Reason}")]
    private static partial void LedgerAway(ILogger logger, string database, string reason);

    [LoggerMessage(
        EventId = 28,
        Level = LogLevel.Warning,
        Message = "cron: the ledger in {Database} is available again after {Seconds:0.0} s; tasks run again")]
    private static partial void LedgerBack(ILogger logger, string database, double seconds);
}
