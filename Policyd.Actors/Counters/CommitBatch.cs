using Akka.Actor;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// What one transaction will write: a delta for each row, however many mails it adds up, and the ids of their requests. While a
/// commit is under way the next batch gathers, and while the database is away it goes on gathering: it is as large as
/// the rows and ids it names, not as the mails it counts.
/// </summary>
internal sealed class CommitBatch
{
    private readonly Dictionary<(string Table, string Key, string Time), Row> _rows = [];
    private readonly List<Entry> _entries = [];

    public bool IsEmpty => _rows.Count == 0;

    public int Rows => _rows.Count;

    public int RequestIds => _entries.Count;

    /// <summary>The number of the oldest add in it, in the order of their coming; what was flushed is known by it.</summary>
    public long Oldest { get; set; } = long.MaxValue;

    /// <summary>What a stop would lose: of each table the rows, and the mails that they count.</summary>
    public IEnumerable<(string Table, int Rows, long Mails)> Unwritten =>
        from row in _rows
        where row.Value.Absolute || row.Value.Delta != default
        group row.Value by row.Key.Table into table
        select (table.Key, table.Count(), table.Sum(row => row.Absolute ? 0 : row.Delta.Count));

    public IReadOnlyCollection<string> Tables => [.. _rows.Keys.Select(id => id.Table).Distinct()];

    /// <summary>True when an owner that is new on this node wrote: another node may have counted the same requests before.</summary>
    public bool HasNewOwner { get; private set; }

    /// <summary>
    /// Takes an add. A resend puts nothing into the row, yet its asker is answered by the same commit, with the true total.
    /// </summary>
    public void Append(CounterWriterProtocol.Append add, IActorRef owner, bool resend)
    {
        HasNewOwner |= add.FirstOfOwner;
        var id = (add.Key.Table, add.Key.Key, add.Window.Time);
        if (!_rows.TryGetValue(id, out var row))
        {
            _rows.Add(id, row = new Row(add.Window, owner));
        }

        row.Owner = owner;
        row.Adds++;
        row.Askers.Add(add.Asker);
        if (add.Absolute)
        {
            SettleEntries(row);
            row.Absolute = true;
            row.Delta = add.Amounts;
            return;
        }

        row.Asked += add.Amounts;
        if (resend)
        {
            row.Resent += add.Amounts;
            return;
        }

        row.Delta += add.Amounts;
        if (add.RequestId is { } requestId)
        {
            _entries.Add(new Entry(requestId, row, add.Amounts));
        }
    }

    /// <summary>
    /// Takes back the adds of requests that turn out to be counted already, by an earlier life of this server or by another node.
    /// </summary>
    public int Retract(Predicate<UInt128> counted) => _entries.RemoveAll(entry =>
    {
        if (!counted(entry.RequestId))
        {
            return false;
        }

        entry.Row.Delta -= entry.Amounts;
        entry.Row.Resent += entry.Amounts;
        return true;
    });

    /// <summary>Forgets the oldest ids beyond <paramref name="bound"/>: their adds stay, only a resend of them would count twice.</summary>
    public int ForgetIds(int bound)
    {
        var excess = _entries.Count - bound;
        if (excess <= 0)
        {
            return 0;
        }

        // Some more at once: each removal moves all that is behind it.
        excess += bound / 64;
        _entries.RemoveRange(0, excess);
        return excess;
    }

    /// <summary>Takes the rows of one table out: what is wrong with it must not hold up the others.</summary>
    public CommitBatch TakeTable(string table)
    {
        var taken = new CommitBatch { HasNewOwner = HasNewOwner, Oldest = Oldest };
        foreach (var (id, row) in _rows.Where(row => row.Key.Table == table).ToList())
        {
            _rows.Remove(id);
            taken._rows.Add(id, row);
        }

        var rows = taken._rows.Values.ToHashSet();
        taken._entries.AddRange(_entries.Where(entry => rows.Contains(entry.Row)));
        _entries.RemoveAll(entry => rows.Contains(entry.Row));
        return taken;
    }

    /// <summary>Takes in what gathered after this did.</summary>
    public void Absorb(CommitBatch later)
    {
        HasNewOwner |= later.HasNewOwner;
        Oldest = Math.Min(Oldest, later.Oldest);
        var moved = new Dictionary<Row, Row>();
        foreach (var (id, row) in later._rows)
        {
            if (!_rows.TryGetValue(id, out var mine))
            {
                _rows.Add(id, row);
                continue;
            }

            if (row.Absolute)
            {
                SettleEntries(mine);
            }

            mine.Absorb(row);
            moved.Add(row, mine);
        }

        _entries.AddRange(later._entries.Select(entry => moved.TryGetValue(entry.Row, out var mine) ? entry with { Row = mine } : entry));
    }

    /// <summary>It turned out that this batch is committed: what remains is to read its totals back and to answer.</summary>
    public void ForgetDeltas()
    {
        _entries.Clear();
        foreach (var row in _rows.Values)
        {
            row.Delta = default;
            row.Absolute = false;
        }
    }

    public CounterCommit ToCommit(Guid node, long sequence, DateTimeOffset at) => new(
        node,
        sequence,
        at,
        [.. _entries.Select(entry => entry.RequestId)],
        [.. _rows.Select(row => new CounterDelta(row.Key.Table, row.Key.Key, row.Key.Time, row.Value.Delta, row.Value.Absolute))]);

    /// <summary>Tells every owner what its rows are now.</summary>
    public void ReportCommitted(IReadOnlyList<(string Table, CounterRow Row)> totals, IActorRef writer)
    {
        foreach (var (table, total) in totals)
        {
            if (_rows.Remove((table, total.Key, total.Time), out var row))
            {
                row.Owner.Tell(new CounterWriterProtocol.RowCommitted(row.Window, row.Asked, row.Adds, total, row.Askers), writer);
            }
        }
    }

    /// <summary>
    /// The database is away, and a mail does not wait for it: those who wait are answered by their owners. The adds stay in the batch.
    /// Returns how many were waiting.
    /// </summary>
    public int ReportDeferred(IActorRef writer)
    {
        var answered = 0;
        foreach (var row in _rows.Values.Where(row => row.Askers.Count > 0 || row.Resent != default))
        {
            row.Owner.Tell(new CounterWriterProtocol.RowDeferred(row.Window, row.Resent, row.Askers), writer);
            row.Asked -= row.Resent;
            row.Resent = default;
            answered += row.Askers.Count;
            row.Askers = [];
        }

        return answered;
    }

    /// <summary>
    /// An operator's set makes nothing of the adds before it. Their ids stay: a resend of one of them must not add to what was set.
    /// </summary>
    private void SettleEntries(Row row)
    {
        for (var i = 0; i < _entries.Count; i++)
        {
            if (_entries[i].Row == row)
            {
                _entries[i] = _entries[i] with { Amounts = default };
            }
        }
    }

    private readonly record struct Entry(UInt128 RequestId, Row Row, CounterAmounts Amounts);

    private sealed class Row(CounterWindow window, IActorRef owner)
    {
        public CounterWindow Window { get; } = window;

        public IActorRef Owner { get; set; } = owner;

        public CounterAmounts Delta { get; set; }

        public CounterAmounts Asked { get; set; }

        /// <summary>What of it turned out to be counted already.</summary>
        public CounterAmounts Resent { get; set; }

        public bool Absolute { get; set; }

        public int Adds { get; set; }

        public List<IActorRef> Askers { get; set; } = [];

        public void Absorb(Row later)
        {
            Owner = later.Owner;
            Delta = later.Absolute ? later.Delta : Delta + later.Delta;
            Absolute |= later.Absolute;
            Asked += later.Asked;
            Resent += later.Resent;
            Adds += later.Adds;
            Askers.AddRange(later.Askers);
        }
    }
}
