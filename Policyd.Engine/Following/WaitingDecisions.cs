using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;

namespace Policyd.Engine.Following;

/// <summary>
/// The decisions that wait for one reader. It is bounded: a reader that does not read loses what comes then, and is told how many that
/// were. The request path takes a lock for a moment and never waits for the reader.
/// </summary>
/// <param name="depth">How much the reader wants to know.</param>
/// <param name="isWanted">Which decisions it wants to hear of.</param>
/// <param name="mostRecords">How many decisions wait at most.</param>
/// <param name="mostBytes">How many bytes of requests wait at most.</param>
public sealed class WaitingDecisions(
    DecisionDepth depth,
    Predicate<RequestRecord> isWanted,
    int mostRecords = WaitingDecisions.MostRecords,
    long mostBytes = WaitingDecisions.MostBytes) : IDecisionListener, IDisposable
{
    /// <summary>How many decisions wait for a reader who is a person.</summary>
    public const int MostRecords = 1000;

    /// <summary>How many bytes of requests wait for such a reader.</summary>
    public const int MostBytes = 4 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _arrived = new(0, 1);
    private List<RequestRecord> _waiting = [];
    private long _bytes;
    private long _lost;
    private long _lostBefore;
    private bool _isEnded;

    /// <inheritdoc/>
    public DecisionDepth Depth => depth;

    /// <summary>How many decisions were lost since the begin, as one reads it at any time.</summary>
    public long Lost
    {
        get
        {
            lock (_lock)
            {
                return _lostBefore + _lost;
            }
        }
    }

    /// <inheritdoc/>
    public void Decided(RequestRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (!isWanted(record))
        {
            return;
        }

        lock (_lock)
        {
            if (_isEnded)
            {
                return;
            }

            if (_waiting.Count == mostRecords || _bytes + record.Weight > mostBytes)
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
            return Take();
        }
    }

    /// <summary>All that waits, without waiting for more; nobody reads afterwards, and what comes is not kept.</summary>
    public (IReadOnlyList<RequestRecord> Records, long Lost) TakeLast()
    {
        lock (_lock)
        {
            _isEnded = true;
            return Take();
        }
    }

    /// <summary>Nobody reads any more.</summary>
    public void Dispose()
    {
        foreach (var record in TakeLast().Records)
        {
            record.Written();
        }

        _arrived.Dispose();
    }

    private (IReadOnlyList<RequestRecord> Records, long Lost) Take()
    {
        var taken = (_waiting, _lost);
        _lostBefore += _lost;
        (_waiting, _lost, _bytes) = ([], 0, 0);
        return taken;
    }
}
