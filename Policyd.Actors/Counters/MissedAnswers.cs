using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Counters;

/// <summary>
/// Counts the answers that were given without the database, and tells of them from time to time, with the reason: one line for all.
/// </summary>
/// <param name="connection">The connection's name.</param>
/// <param name="what">What happened to them.</param>
/// <param name="why">Why.</param>
/// <param name="metric">Counts them.</param>
/// <param name="logger">The log.</param>
internal sealed class MissedAnswers(string connection, string what, CounterReason why, Counter<long> metric, ILogger logger)
{
    private readonly LogThrottle _lines = new(TimeProvider.System);
    private long _untold;

    /// <summary>How many there were since the database was last known to be good.</summary>
    public long Total { get; private set; }

    /// <summary>So many more.</summary>
    /// <param name="answers">How many.</param>
    /// <param name="reason">What the database or the disk says.</param>
    public void Add(int answers, string reason)
    {
        if (answers == 0)
        {
            return;
        }

        metric.Add(answers, why.Tag());
        Total += answers;
        _untold += answers;
        if (_lines.Enter(out _))
        {
            CounterLog.Missed(logger, connection, _untold, what, why.Name(), reason);
            _untold = 0;
        }
    }

    /// <summary>The reason has just been told: the next line comes some time later.</summary>
    public void Told() => _lines.Enter(out _);

    /// <summary>The database is back.</summary>
    public void Reset() => (Total, _untold) = (0, 0);
}
