using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Counters;

/// <summary>
/// Counts the answers that were given without the database, and tells of them from time to time, with the reason: one line for all.
/// </summary>
/// <param name="connection">The connection's name.</param>
/// <param name="what">What happened to them.</param>
/// <param name="logger">The log.</param>
internal sealed class MissedAnswers(string connection, string what, ILogger logger)
{
    private readonly LogThrottle _lines = new(TimeProvider.System);
    private long _untold;

    /// <summary>How many there were since the database was last known to be good.</summary>
    public long Total { get; private set; }

    /// <summary>So many more.</summary>
    public void Add(int answers, string reason)
    {
        if (answers == 0)
        {
            return;
        }

        Total += answers;
        _untold += answers;
        if (_lines.Enter(out _))
        {
            CounterLog.Missed(logger, connection, _untold, what, reason);
            _untold = 0;
        }
    }

    /// <summary>The reason has just been told: the next line comes some time later.</summary>
    public void Told() => _lines.Enter(out _);

    /// <summary>The database is back.</summary>
    public void Reset() => (Total, _untold) = (0, 0);
}
