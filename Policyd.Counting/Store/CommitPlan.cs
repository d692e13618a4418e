using System.Buffers.Binary;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Store;

/// <summary>
/// A commit as the database is to see it: each row once, tables and rows in one order on every node (two nodes whose rows overlap
/// would otherwise deadlock), keys as the table holds them. One plan is filled for commit after commit: what it is made of stays.
/// </summary>
internal sealed class CommitPlan
{
    private readonly Dictionary<string, PlannedTable> _byName = new(StringComparer.Ordinal);

    public CounterCommit Commit { get; private set; } = null!;

    public List<PlannedTable> Tables { get; } = [];

    public void Fill(CounterCommit commit, Func<string, CounterTableInfo> infoOf)
    {
        Commit = commit;
        Tables.Clear();
        foreach (var delta in commit.Deltas)
        {
            if (!_byName.TryGetValue(delta.Table, out var table))
            {
                _byName.Add(delta.Table, table = new PlannedTable(infoOf(delta.Table)));
            }

            if (!Tables.Contains(table))
            {
                table.Begin(infoOf(delta.Table));
                Tables.Add(table);
            }

            table.Add(delta);
        }

        Tables.Sort(static (a, b) => string.CompareOrdinal(a.Info.Table, b.Info.Table));
        Tables.ForEach(static table => table.Sort());
    }

    /// <summary>The request ids as the commits table holds them: 16 bytes each, big-endian.</summary>
    public static byte[] Encode(IReadOnlyList<UInt128> ids)
    {
        var bytes = new byte[ids.Count * 16];
        for (var i = 0; i < ids.Count; i++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(i * 16), ids[i]);
        }

        return bytes;
    }

    public static UInt128[] Decode(byte[] bytes)
    {
        var ids = new UInt128[bytes.Length / 16];
        for (var i = 0; i < ids.Length; i++)
        {
            ids[i] = BinaryPrimitives.ReadUInt128BigEndian(bytes.AsSpan(i * 16));
        }

        return ids;
    }

    /// <summary>The answer: one row for each distinct row of the commit, named as its caller named it.</summary>
    public IReadOnlyList<(string Table, CounterRow Row)> Totals()
    {
        var totals = new List<(string, CounterRow)>(Tables.Sum(t => t.Rows.Count));
        foreach (var table in Tables)
        {
            foreach (var row in table.Rows)
            {
                totals.Add((table.Info.Table, new CounterRow(row.AskedFor.Key, row.AskedFor.Time, row.Total)));
                foreach (var asked in row.AlsoAskedFor ?? [])
                {
                    totals.Add((table.Info.Table, new CounterRow(asked.Key, asked.Time, row.Total)));
                }
            }
        }

        return totals;
    }
}

/// <summary>The rows of one table in a commit.</summary>
internal sealed class PlannedTable(CounterTableInfo info)
{
    // Of a larger commit, such as the first after an outage, nothing is kept for the next.
    private const int Kept = 4096;

    private Dictionary<CounterRowId, PlannedRow> _byId = [];
    private List<PlannedRow> _made = [];

    public CounterTableInfo Info { get; private set; } = info;

    public List<PlannedRow> Rows { get; private set; } = [];

    /// <summary>Another commit: no rows yet.</summary>
    public void Begin(CounterTableInfo info)
    {
        Info = info;
        if (_made.Count > Kept)
        {
            (_byId, _made, Rows) = ([], [], []);
        }

        _byId.Clear();
        Rows.Clear();
    }

    public void Add(CounterDelta delta)
    {
        var id = IdOf(delta.Key, delta.Time);
        if (!_byId.TryGetValue(id, out var row))
        {
            row = Make(id, new CounterRowId(delta.Key, delta.Time));
            _byId.Add(id, row);
            Rows.Add(row);
        }

        row.Apply(delta);
    }

    public CounterRowId IdOf(string key, string time) =>
        new(CounterKeyText.ForTable(key, Info), CounterKeyText.Fit(time, CounterKeyText.MaxLength, Info.Repertoire));

    public PlannedRow? Find(string key, string time) => _byId.GetValueOrDefault(new CounterRowId(key, time));

    public void Sort() => Rows.Sort(static (a, b) => string.CompareOrdinal(a.Id.Key, b.Id.Key) is not 0 and var order
        ? order
        : string.CompareOrdinal(a.Id.Time, b.Id.Time));

    private PlannedRow Make(CounterRowId id, CounterRowId askedFor)
    {
        if (Rows.Count == _made.Count)
        {
            _made.Add(new PlannedRow());
        }

        var row = _made[Rows.Count];
        row.Begin(id, askedFor);
        return row;
    }
}

/// <summary>One row of a commit: what it becomes or what is added, and in the end its total.</summary>
internal sealed class PlannedRow
{
    private List<CounterRowId>? _alsoAskedFor;

    /// <summary>As the table holds it.</summary>
    public CounterRowId Id { get; private set; }

    public CounterAmounts Amounts { get; private set; }

    public bool Absolute { get; private set; }

    public bool IsRead { get; private set; }

    public CounterAmounts Total { get; private set; }

    /// <summary>The name by which a caller asked for it.</summary>
    public CounterRowId AskedFor { get; private set; }

    /// <summary>Other names by which callers asked for this row: there are hardly ever any.</summary>
    public IReadOnlyList<CounterRowId>? AlsoAskedFor => _alsoAskedFor;

    /// <summary>Another row, with nothing added yet.</summary>
    public void Begin(CounterRowId id, CounterRowId askedFor)
    {
        (Id, AskedFor, _alsoAskedFor) = (id, askedFor, null);
        (Amounts, Total, Absolute, IsRead) = (default, default, false, false);
    }

    public void Apply(CounterDelta delta)
    {
        Amounts = delta.Absolute ? delta.Amounts : Amounts + delta.Amounts;
        Absolute |= delta.Absolute;
        var asked = new CounterRowId(delta.Key, delta.Time);
        if (asked != AskedFor && _alsoAskedFor?.Contains(asked) != true)
        {
            (_alsoAskedFor ??= []).Add(asked);
        }
    }

    public void Read(CounterAmounts total)
    {
        Total = total;
        IsRead = true;
    }
}
