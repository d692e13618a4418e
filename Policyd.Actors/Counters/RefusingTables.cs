using Policyd.Plugins.Connections;

namespace Policyd.Actors.Counters;

/// <summary>
/// The tables whose commits the database refuses (no permission, not a counter table) while it takes others: what each has gathered, and when
/// it is tried again.
/// </summary>
internal sealed class RefusingTables(CounterWriterSettings settings)
{
    private readonly Dictionary<string, Refusing> _tables = [];

    public IEnumerable<CommitBatch> Waiting => _tables.Values.Select(table => table.Waiting);

    public IReadOnlyCollection<string> Tables => _tables.Count == 0 ? [] : [.. _tables.Keys];

    public bool IsRefusing(string table) => _tables.ContainsKey(table);

    /// <summary>Where an add to this table goes; null when nothing is wrong with it.</summary>
    public CommitBatch? Of(string table) => _tables.Count > 0 && _tables.TryGetValue(table, out var refusing) ? refusing.Waiting : null;

    /// <summary>The batch waits, with what gathered behind it meanwhile. Returns all of it, and for how long.</summary>
    public (CommitBatch Waiting, TimeSpan Wait) Refuse(string table, CommitBatch batch)
    {
        if (!_tables.TryGetValue(table, out var refusing))
        {
            _tables.Add(table, refusing = new Refusing(new GrowingPause(settings.FirstBackOff, settings.LongestBackOff)));
        }

        batch.Absorb(refusing.Waiting);
        refusing.Waiting = batch;
        return (batch, refusing.Pause.Next());
    }

    /// <summary>What is to be tried again; meanwhile the table gathers anew.</summary>
    public CommitBatch? TakeWaiting(string table)
    {
        if (!_tables.TryGetValue(table, out var refusing))
        {
            return null;
        }

        var waiting = refusing.Waiting;
        refusing.Waiting = new CommitBatch();
        return waiting;
    }

    /// <summary>The table was written. Returns what gathered meanwhile.</summary>
    public CommitBatch? Forgive(string table) => _tables.Remove(table, out var refusing) ? refusing.Waiting : null;

    private sealed class Refusing(GrowingPause pause)
    {
        public GrowingPause Pause { get; } = pause;

        public CommitBatch Waiting { get; set; } = new();
    }
}
