using Akka.Actor;
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
            _entries.RemoveAll(entry => entry.Row == row);
            row.Absolute = true;
            row.Delta = add.Amounts;
            return;
        }

        row.Asked += add.Amounts;
        if (resend)
        {
            return;
        }

        row.Delta += add.Amounts;
        if (add.RequestId is { } requestId)
        {
            _entries.Add(new Entry(requestId, row, add.Amounts));
        }
    }

    /// <summary>Takes back the adds of requests that turn out to be counted already, by an earlier life of this server or by another node.</summary>
    public int Retract(Predicate<UInt128> counted) => _entries.RemoveAll(entry =>
    {
        if (!counted(entry.RequestId))
        {
            return false;
        }

        entry.Row.Delta -= entry.Amounts;
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

        _entries.RemoveRange(0, excess);
        return excess;
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
    /// </summary>
    public void ReportDeferred(IActorRef writer)
    {
        foreach (var row in _rows.Values.Where(row => row.Askers.Count > 0))
        {
            row.Owner.Tell(new CounterWriterProtocol.RowDeferred(row.Window, row.Askers), writer);
            row.Askers = [];
        }
    }

    private readonly record struct Entry(UInt128 RequestId, Row Row, CounterAmounts Amounts);

    private sealed class Row(CounterWindow window, IActorRef owner)
    {
        public CounterWindow Window { get; } = window;

        public IActorRef Owner { get; set; } = owner;

        public CounterAmounts Delta { get; set; }

        public CounterAmounts Asked { get; set; }

        public bool Absolute { get; set; }

        public int Adds { get; set; }

        public List<IActorRef> Askers { get; set; } = [];
    }
}
