using System.Buffers.Binary;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Store;

/// <summary>
/// A commit as the database is to see it: each row once, tables and rows in one order on every node (two nodes whose rows overlap
/// would otherwise deadlock), keys as the table holds them.
/// </summary>
internal sealed class CommitPlan
{
    private CommitPlan(CounterCommit commit, List<PlannedTable> tables)
    {
        Commit = commit;
        Tables = tables;
    }

    public CounterCommit Commit { get; }

    public List<PlannedTable> Tables { get; }

    public static CommitPlan Create(CounterCommit commit, Func<string, CounterTableInfo> infoOf)
    {
        var tables = new Dictionary<string, PlannedTable>(StringComparer.Ordinal);
        foreach (var delta in commit.Deltas)
        {
            if (!tables.TryGetValue(delta.Table, out var table))
            {
                tables.Add(delta.Table, table = new PlannedTable(infoOf(delta.Table)));
            }

            table.Add(delta);
        }

        var ordered = tables.Values.OrderBy(t => t.Info.Table, StringComparer.Ordinal).ToList();
        ordered.ForEach(t => t.Sort());
        return new CommitPlan(commit, ordered);
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
    private readonly Dictionary<CounterRowId, PlannedRow> _byId = [];

    public CounterTableInfo Info { get; } = info;

    public List<PlannedRow> Rows { get; } = [];

    public void Add(CounterDelta delta)
    {
        var id = IdOf(delta.Key, delta.Time);
        if (!_byId.TryGetValue(id, out var row))
        {
            _byId.Add(id, row = new PlannedRow(id, new CounterRowId(delta.Key, delta.Time)));
            Rows.Add(row);
        }

        row.Apply(delta);
    }

    public CounterRowId IdOf(string key, string time) =>
        new(CounterKeyText.ForTable(key, Info), CounterKeyText.Fit(time, CounterKeyText.MaxLength, Info.Repertoire));

    public PlannedRow? Find(string key, string time) => _byId.GetValueOrDefault(new CounterRowId(key, time));

    public void Sort() => Rows.Sort(
        (a, b) => string.CompareOrdinal(a.Id.Key, b.Id.Key) is not 0 and var order ? order : string.CompareOrdinal(a.Id.Time, b.Id.Time));
}

/// <summary>One row of a commit: what it becomes or what is added, and in the end its total.</summary>
/// <param name="id">As the table holds it.</param>
/// <param name="askedFor">The name by which a caller asked for it.</param>
internal sealed class PlannedRow(CounterRowId id, CounterRowId askedFor)
{
    private List<CounterRowId>? _alsoAskedFor;

    public CounterRowId Id { get; } = id;

    public CounterAmounts Amounts { get; private set; }

    public bool Absolute { get; private set; }

    public bool IsRead { get; private set; }

    public CounterAmounts Total { get; private set; }

    public CounterRowId AskedFor { get; } = askedFor;

    /// <summary>Other names by which callers asked for this row: there are hardly ever any.</summary>
    public IReadOnlyList<CounterRowId>? AlsoAskedFor => _alsoAskedFor;

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
