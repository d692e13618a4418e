using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>All that one commit does to one row: perhaps a set, and what is added after it.</summary>
internal sealed class RowChange(string asWritten, string key, string time)
{
    /// <summary>The key as the caller wrote it: answers name it so.</summary>
    public string AsWritten { get; } = asWritten;

    /// <summary>The key as the column holds it.</summary>
    public string Key { get; } = key;

    public string Time { get; } = time;

    /// <summary>What is added; when <see cref="Absolute"/>, what the row becomes.</summary>
    public CounterAmounts Amounts { get; private set; }

    public bool Absolute { get; private set; }

    /// <summary>The changes of each table, ordered by row, so that two nodes that write the same rows never wait for each other in a ring.</summary>
    public static IEnumerable<(string Table, IReadOnlyList<RowChange> Changes)> Merge(IReadOnlyList<CounterDelta> deltas, Func<string, string, string> stored)
    {
        var tables = new SortedDictionary<string, Dictionary<(string Key, string Time), RowChange>>(StringComparer.Ordinal);
        foreach (var delta in deltas)
        {
            if (!tables.TryGetValue(delta.Table, out var rows))
            {
                tables.Add(delta.Table, rows = []);
            }

            var key = stored(delta.Table, delta.Key);
            if (!rows.TryGetValue((key, delta.Time), out var change))
            {
                rows.Add((key, delta.Time), change = new RowChange(delta.Key, key, delta.Time));
            }

            change.Amounts = delta.Absolute ? delta.Amounts : change.Amounts + delta.Amounts;
            change.Absolute |= delta.Absolute;
        }

        return tables.Select(table => (table.Key, (IReadOnlyList<RowChange>)[.. table.Value.Values
            .OrderBy(change => change.Key, StringComparer.Ordinal)
            .ThenBy(change => change.Time, StringComparer.Ordinal)]));
    }
}
