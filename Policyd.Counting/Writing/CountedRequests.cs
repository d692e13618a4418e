using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Writing;

/// <summary>
/// Which requests a writer knows to be counted: its own of the last minutes, those that other nodes have committed, as far as they were
/// read, and those of the spools of earlier lives.
/// </summary>
internal sealed class CountedRequests(Guid node, CounterWriterSettings settings)
{
    private readonly ResendFilter _resends = new(settings.ResendWindow, settings.MaxPending);
    private readonly Dictionary<Guid, long> _seenCommits = [];
    private bool _saidFormerIds = true;
    private DateTimeOffset _formerIdsUntil = DateTimeOffset.MinValue;

    /// <summary>Whether what other nodes have counted is known; false again when keys have come here.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Up to which commit of each node its ids are known.</summary>
    public IReadOnlyDictionary<Guid, long> SeenCommits => _seenCommits;

    private DateTimeOffset Now => settings.Steady.Now;

    /// <summary>A write has come: true when its request was counted before. From now on it is known.</summary>
    public bool Take(WriteOperation write) =>
        (write.FormerId is { } former && _resends.HoldsCount(former)) || (write.RequestId is { } id && !_resends.TryAdd(id, Now));

    /// <summary>A write was taken out again, and may come another time.</summary>
    public void Forget(WriteOperation write)
    {
        if (write is { RequestId: { } id, IsResend: false })
        {
            _resends.Remove(id);
        }
    }

    /// <summary>Whether one of the requests is known to be counted.</summary>
    public bool Holds(FindCountedOperation find)
    {
        foreach (var id in find.RequestIds)
        {
            if (_resends.Holds(id))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What earlier lives have counted, by their spools.</summary>
    /// <returns>What of it is to be taken out of what is not written yet.</returns>
    public HashSet<UInt128> Learn(IReadOnlyList<UInt128> requestIds)
    {
        foreach (var id in requestIds)
        {
            _resends.TryAdd(id, Now);
        }

        return new HashSet<UInt128>(requestIds, CounterRequestId.SameCount);
    }

    /// <summary>What other nodes have committed.</summary>
    /// <returns>What of it is to be taken out of what is not written yet.</returns>
    public HashSet<UInt128> Learn(IReadOnlyList<CommittedIds> commits)
    {
        var counted = new HashSet<UInt128>(CounterRequestId.SameCount);
        _seenCommits[node] = long.MaxValue;
        foreach (var commit in commits.Where(commit => commit.Node != node))
        {
            _seenCommits[commit.Node] = Math.Max(commit.Sequence, _seenCommits.GetValueOrDefault(commit.Node));
            counted.UnionWith(Learn(commit.RequestIds));
            if (commit.Format == CommittedIds.FirstFormat)
            {
                // As long as the filter may hold them.
                _formerIdsUntil = Now + (2 * settings.ResendWindow);
            }
        }

        IsComplete = true;
        return counted;
    }

    /// <summary>
    /// Whether ids of version 1 may be known, when that has changed since it was last asked: it begins with true, and ends when the last of
    /// them is forgotten.
    /// </summary>
    public bool? TakeChangeOfFormerIds()
    {
        var areKnown = !IsComplete || Now < _formerIdsUntil;
        if (areKnown == _saidFormerIds)
        {
            return null;
        }

        return _saidFormerIds = areKnown;
    }
}
