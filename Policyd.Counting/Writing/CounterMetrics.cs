using System.Diagnostics.Metrics;

namespace Policyd.Counting.Writing;

/// <summary>What operators can watch of the counters. Units are events, unless a name says otherwise.</summary>
internal static class CounterMetrics
{
    private static readonly Meter s_meter = new("Policyd.Counters");

    public static readonly Counter<long> Commits = s_meter.CreateCounter<long>("policyd.counters.commits");
    public static readonly Counter<long> RowsCommitted = s_meter.CreateCounter<long>("policyd.counters.rows_committed");
    public static readonly Counter<long> FailedCommits = s_meter.CreateCounter<long>("policyd.counters.failed_commits");
    public static readonly Counter<long> Conflicts = s_meter.CreateCounter<long>("policyd.counters.conflicts");
    public static readonly Counter<long> Resends = s_meter.CreateCounter<long>("policyd.counters.resends");

    /// <summary>Adds that were answered before they were counted, by reason.</summary>
    public static readonly Counter<long> Deferred = s_meter.CreateCounter<long>("policyd.counters.deferred");

    /// <summary>Checks, reads and adds that were answered without a sum, by reason.</summary>
    public static readonly Counter<long> Unavailable = s_meter.CreateCounter<long>("policyd.counters.unavailable");

    public static readonly Counter<long> Spooled = s_meter.CreateCounter<long>("policyd.counters.spooled");
    public static readonly Counter<long> NotSpooled = s_meter.CreateCounter<long>("policyd.counters.not_spooled");
    public static readonly Counter<long> Kept = s_meter.CreateCounter<long>("policyd.counters.kept_for_other_nodes");
    public static readonly Counter<long> Replayed = s_meter.CreateCounter<long>("policyd.counters.replayed");
    public static readonly Counter<long> ForgottenIds = s_meter.CreateCounter<long>("policyd.counters.forgotten_request_ids");
}
