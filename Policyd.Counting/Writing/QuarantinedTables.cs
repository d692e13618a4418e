using Policyd.Plugins.Sources;

namespace Policyd.Counting.Writing;

/// <summary>
/// The tables whose commits the database refuses (no permission, not a counter table) while it takes others: what each has gathered, and
/// when it is tried again.
/// </summary>
internal sealed class QuarantinedTables(CounterWriterSettings settings)
{
    private readonly Dictionary<string, Quarantined> _tables = [];

    public IEnumerable<CommitBatch> Waiting => _tables.Values.Select(table => table.Waiting);

    public IReadOnlyCollection<string> Tables => _tables.Count == 0 ? [] : [.. _tables.Keys];

    public bool IsQuarantined(string table) => _tables.ContainsKey(table);

    /// <summary>Where an add to this table goes; null when nothing is wrong with it.</summary>
    public CommitBatch? Of(string table) =>
        _tables.Count > 0 && _tables.TryGetValue(table, out var quarantined) ? quarantined.Waiting : null;

    /// <summary>The batch waits, with what gathered behind it meanwhile. Returns all of it, and for how long.</summary>
    public (CommitBatch Waiting, TimeSpan Wait) Quarantine(string table, CommitBatch batch)
    {
        if (!_tables.TryGetValue(table, out var quarantined))
        {
            _tables.Add(table, quarantined = new Quarantined(new ExponentialDelay(settings.FirstBackOff, settings.LongestBackOff)));
        }

        batch.Absorb(quarantined.Waiting);
        quarantined.Waiting = batch;
        return (batch, quarantined.Pause.Next());
    }

    /// <summary>What is to be tried again; meanwhile the table gathers anew.</summary>
    public CommitBatch? TakeWaiting(string table)
    {
        if (!_tables.TryGetValue(table, out var quarantined))
        {
            return null;
        }

        var waiting = quarantined.Waiting;
        quarantined.Waiting = new CommitBatch();
        return waiting;
    }

    /// <summary>The table was written. Returns what gathered meanwhile.</summary>
    public CommitBatch? Release(string table) => _tables.Remove(table, out var quarantined) ? quarantined.Waiting : null;

    private sealed class Quarantined(ExponentialDelay pause)
    {
        public ExponentialDelay Pause { get; } = pause;

        public CommitBatch Waiting { get; set; } = new();
    }
}
