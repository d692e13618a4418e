using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;

namespace Policyd.Engine.Following;

/// <summary>
/// The decisions that wait for one reader. It is bounded: a reader that does not read loses what comes then, and is told how many that
/// were. The request path takes a lock for a moment and never waits for the reader.
/// </summary>
/// <param name="depth">How much the reader wants to know.</param>
/// <param name="filter">Which decisions it wants to hear of.</param>
public sealed class WaitingDecisions(DecisionDepth depth, DecisionFilter filter) : IDecisionListener, IDisposable
{
    /// <summary>How many decisions wait at most.</summary>
    public const int MostRecords = 1000;

    /// <summary>How many bytes of requests wait at most.</summary>
    public const int MostBytes = 4 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _arrived = new(0, 1);
    private List<RequestRecord> _waiting = [];
    private long _bytes;
    private long _lost;
    private bool _isEnded;

    /// <inheritdoc/>
    public DecisionDepth Depth => depth;

    /// <inheritdoc/>
    public void Decided(RequestRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (!filter.Matches(record))
        {
            return;
        }

        lock (_lock)
        {
            if (_isEnded)
            {
                return;
            }

            if (_waiting.Count == MostRecords || _bytes + record.Weight > MostBytes)
            {
                _lost++;
                return;
            }

            record.Name();
            record.Hold();
            _waiting.Add(record);
            _bytes += record.Weight;
            if (_arrived.CurrentCount == 0)
            {
                _arrived.Release();
            }
        }
    }

    /// <summary>
    /// All that waits, as soon as there is something, and how many were lost behind it. The reader calls
    /// <see cref="RequestRecord.Written"/> of each.
    /// </summary>
    /// <param name="ct">Ends the waiting.</param>
    public async Task<(IReadOnlyList<RequestRecord> Records, long Lost)> TakeAsync(CancellationToken ct)
    {
        await _arrived.WaitAsync(ct).ConfigureAwait(false);
        lock (_lock)
        {
            var taken = (_waiting, _lost);
            (_waiting, _lost, _bytes) = ([], 0, 0);
            return taken;
        }
    }

    /// <summary>Nobody reads any more.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isEnded = true;
            _waiting.ForEach(static record => record.Written());
            _waiting = [];
        }

        _arrived.Dispose();
    }
}
