using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Writing;

/// <summary>
/// The writes on their way to the spool: one group is being written, the next one gathers meanwhile. Gives entries their numbers, and knows
/// how far the database has them.
/// </summary>
internal sealed class SpoolQueue(TimeProvider clock)
{
    private readonly Dictionary<string, long> _marked = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _owed = new(StringComparer.Ordinal);
    private IReadOnlyList<SpoolMark> _sent = [];
    private List<(WriteOperation Write, SpoolEntry? Entry)> _next = [];
    private List<(WriteOperation Write, SpoolEntry? Entry)>? _underWay;
    private long _number = 1;

    /// <summary>Whether there may be something in the file.</summary>
    public bool IsInUse { get; set; }

    /// <summary>Whether writes are on their way.</summary>
    public bool IsBusy => _underWay is not null || _next.Count > 0;

    /// <summary>Puts a write into the next group.</summary>
    /// <param name="batch">The batch that it is in.</param>
    /// <param name="write">The write.</param>
    /// <param name="sequence">The commit that is under way with it; 0: none.</param>
    public void Add(CommitBatch batch, WriteOperation write, long sequence)
    {
        if (write.IsResend)
        {
            // The entry of its request is there, or in a group before this one is over.
            write.SpoolNumber = _number;
            _next.Add((write, null));
            return;
        }

        write.SpoolNumber = ++_number;
        var key = write.Key;
        batch.NoteSpooled(key.Table, _number);
        _next.Add((write, new SpoolEntry(
            _number,
            sequence,
            clock.GetUtcNow(),
            key.Table,
            key.Key,
            write.Window.Time,
            write.Amounts,
            write.IsAbsolute,
            write.RequestId,
            CounterRequestId.Version)));
    }

    /// <summary>The entries of the next group; null when one is under way or nothing has gathered.</summary>
    public IReadOnlyList<SpoolEntry>? Begin()
    {
        if (_underWay is not null || _next.Count == 0)
        {
            return null;
        }

        (_underWay, _next) = (_next, []);
        var entries = new List<SpoolEntry>(_underWay.Count);
        foreach (var (_, entry) in _underWay)
        {
            if (entry is not null)
            {
                entries.Add(entry);
            }
        }

        IsInUse |= entries.Count > 0;
        return entries;
    }

    /// <summary>The group is over: its writes.</summary>
    public IEnumerable<WriteOperation> End()
    {
        var over = _underWay ?? [];
        _underWay = null;
        return over.Select(static one => one.Write);
    }

    /// <summary>
    /// What a commit is to say of the spool: how far it has the entries of each table. A mark is only moved from where this writer has set
    /// it. Of a batch that was found in the database it is not known whether its marks were there.
    /// </summary>
    public IReadOnlyList<SpoolMark> MarksWith(CommitBatch batch, Guid node)
    {
        if (_owed.Count == 0 && !batch.HasSpooled)
        {
            return _sent = [];
        }

        var marks = new Dictionary<string, long>(_owed, StringComparer.Ordinal);
        foreach (var (table, through) in batch.Spooled)
        {
            marks[table] = Math.Max(through, marks.GetValueOrDefault(table));
        }

        return _sent =
        [
            .. from mark in marks
               let known = _marked.GetValueOrDefault(mark.Key)
               where mark.Value > known
               select new SpoolMark(node, mark.Key, mark.Value) { From = batch.IsFollowUp ? null : known },
        ];
    }

    /// <summary>
    /// A batch is in the database. What of it was spooled after the commit had been sent has no mark yet: the next commit brings it.
    /// </summary>
    public void OnCommitted(CommitBatch batch)
    {
        foreach (var mark in _sent)
        {
            _marked[mark.Table] = mark.Through;
            if (_owed.TryGetValue(mark.Table, out var owed) && owed <= mark.Through)
            {
                _owed.Remove(mark.Table);
            }
        }

        foreach (var (table, through) in batch.Spooled)
        {
            if (through > _marked.GetValueOrDefault(table))
            {
                _owed[table] = Math.Max(through, _owed.GetValueOrDefault(table));
            }
        }

        _sent = [];
    }
}
