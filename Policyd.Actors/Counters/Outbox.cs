using Policyd.Counting.Spool;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Adds that other nodes have not acknowledged, on the local disk: the next life of this node sends what is left of them. One group is
/// written and synced; what comes meanwhile goes with the next.
/// </summary>
/// <param name="file">The file, which is this outbox's own.</param>
/// <param name="clock">The clock.</param>
internal sealed class Outbox(SpoolFile file, TimeProvider clock)
{
    private List<PendingOperation> _next = [];
    private bool _isWriting;
    private long _number;
    private int _left;

    /// <summary>Puts an add into the next group.</summary>
    public void Add(PendingOperation add) => _next.Add(add);

    /// <summary>The next group and what writes it; null when one is under way or nothing has gathered.</summary>
    public (IReadOnlyList<PendingOperation> Group, Action Write)? Begin()
    {
        if (_isWriting || _next.Count == 0)
        {
            return null;
        }

        var group = _next;
        (_next, _isWriting) = ([], true);
        SpoolEntry[] entries = [.. group.Select(EntryOf)];
        return (group, () => file.Append(entries));
    }

    /// <summary>The group is over.</summary>
    /// <param name="kept">How many adds of it are in the file and not acknowledged.</param>
    /// <returns>Whether nothing in the file is needed any more.</returns>
    public bool End(int kept)
    {
        _isWriting = false;
        _left += kept;
        return _left == 0;
    }

    /// <summary>An add that is in the file is acknowledged.</summary>
    /// <returns>Whether nothing in the file is needed any more.</returns>
    public bool Acknowledge() => --_left == 0 && !_isWriting;

    /// <summary>Nothing in the file is needed.</summary>
    public void Empty() => file.Empty();

    /// <summary>The node ends.</summary>
    /// <param name="adds">Adds that are not acknowledged and not in the file.</param>
    public void Leave(IReadOnlyList<PendingOperation> adds)
    {
        if (adds.Count > 0)
        {
            file.Append([.. adds.Select(EntryOf)]);
        }

        if (_left + adds.Count == 0)
        {
            file.Delete();
        }

        file.Dispose();
    }

    private SpoolEntry EntryOf(PendingOperation pending)
    {
        var add = (AddOperation)pending.Operation;
        return new SpoolEntry(
            ++_number,
            Sequence: 0,
            clock.GetUtcNow(),
            add.Key.Table,
            add.Key.Key,
            add.Window.Time,
            add.Amounts,
            IsAbsolute: false,
            add.RequestId,
            CounterRequestId.Version);
    }
}
