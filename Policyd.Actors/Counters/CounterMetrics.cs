using System.Diagnostics.Metrics;

namespace Policyd.Actors.Counters;

/// <summary>What operators can watch of the counters. Units are events, unless a name says otherwise.</summary>
internal static class CounterMetrics
{
    private static readonly Meter Meter = new("Policyd.Counters");

    public static readonly Counter<long> Commits = Meter.CreateCounter<long>("policyd.counters.commits");
    public static readonly Counter<long> RowsCommitted = Meter.CreateCounter<long>("policyd.counters.rows_committed");
    public static readonly Counter<long> FailedCommits = Meter.CreateCounter<long>("policyd.counters.failed_commits");
    public static readonly Counter<long> Conflicts = Meter.CreateCounter<long>("policyd.counters.conflicts");
    public static readonly Counter<long> Resends = Meter.CreateCounter<long>("policyd.counters.resends");
    public static readonly Counter<long> ForgottenIds = Meter.CreateCounter<long>("policyd.counters.forgotten_request_ids");
}
