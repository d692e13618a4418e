namespace Policyd.Actors.Cron;

/// <summary>What stands in the ledger: each is appended before it counts.</summary>
internal static class CronEvents
{
    /// <summary>The task was first seen in the configuration: from here on a tick can have been missed.</summary>
    public sealed record Known(string Task, DateTimeOffset Since) : ICronMessage;

    /// <summary>A run begins.</summary>
    public sealed record Started(string Task, DateTimeOffset? Scheduled, DateTimeOffset At) : ICronMessage;

    /// <summary>The run of a task is over.</summary>
    public sealed record Ended(string Task, DateTimeOffset At, int Failures) : ICronMessage;

    /// <summary>The ledger as of now: what came before it may be dropped.</summary>
    public sealed record Snapshot(IReadOnlyList<CronLedgerEntry> Entries) : ICronMessage;
}

/// <summary>What the ledger knows of a task.</summary>
internal sealed record CronLedgerEntry(string Task, DateTimeOffset Since, DateTimeOffset? LastScheduled, CronRun? LastRun);

/// <summary>The runs of all tasks, as their events tell it. Pure: the actor around it only appends and runs.</summary>
internal sealed class CronLedger
{
    private readonly Dictionary<string, CronLedgerEntry> _entries = new(StringComparer.Ordinal);

    public CronLedgerEntry? this[string task] => _entries.GetValueOrDefault(task);

    public void Apply(ICronMessage message)
    {
        switch (message)
        {
            case CronEvents.Known known:
                _entries.TryAdd(known.Task, new CronLedgerEntry(known.Task, known.Since, null, null));
                break;
            case CronEvents.Started started:
                var before = _entries.GetValueOrDefault(started.Task) ?? new CronLedgerEntry(started.Task, started.At, null, null);
                _entries[started.Task] = before with
                {
                    LastScheduled = started.Scheduled ?? before.LastScheduled,
                    LastRun = new CronRun(started.Task, started.Scheduled, started.At, null, CronResult.Running, 0),
                };
                break;
            case CronEvents.Ended ended when _entries.GetValueOrDefault(ended.Task) is { LastRun: { } run } entry:
                _entries[ended.Task] = entry with
                {
                    LastRun = run with
                    {
                        Duration = ended.At - run.Started,
                        Result = ended.Failures == 0 ? CronResult.Done : CronResult.Failed,
                        Failures = ended.Failures,
                    },
                };
                break;
            case CronEvents.Snapshot snapshot:
                _entries.Clear();
                foreach (var entry in snapshot.Entries)
                {
                    _entries[entry.Task] = entry;
                }

                break;
        }
    }

    /// <summary>After a restart nothing runs, whatever the ledger says.</summary>
    public void Interrupt()
    {
        foreach (var (task, entry) in _entries)
        {
            if (entry.LastRun is { Result: CronResult.Running } run)
            {
                _entries[task] = entry with { LastRun = run with { Result = CronResult.Interrupted } };
            }
        }
    }

    /// <summary>
    /// Whether a tick came and was not run to its end before the given moment: the server was down, or went down under it.
    /// </summary>
    public bool HasMissed(string task, Func<DateTimeOffset, DateTimeOffset?> next, DateTimeOffset now) =>
        this[task] is { } entry
        && (entry.LastRun is { Result: CronResult.Interrupted, Scheduled: not null } || next(entry.LastScheduled ?? entry.Since) <= now);

    public CronEvents.Snapshot ToSnapshot() => new([.. _entries.Values]);
}
