using System.Diagnostics.Metrics;
using Policyd.Plugins.Metrics;

namespace Policyd.Counting.Writing;

/// <summary>What operators can watch of the counters.</summary>
internal static class CounterMetrics
{
    public static readonly Counter<long> Commits = Count("commits", "commit", "Commits that are in the database.");
    public static readonly Counter<long> RowsCommitted = Count("rows_committed", "row", "Rows that commits have written.");
    public static readonly Counter<long> FailedCommits = Count("failed_commits", "commit", "Commits that failed.");
    public static readonly Counter<long> Conflicts = Count("conflicts", "commit", "Commits that were repeated because of a deadlock.");
    public static readonly Counter<long> Resends = Count("resends", "mail", "Mails that were sent again and not counted twice.");

    /// <summary>Adds that were answered before they were counted, by reason.</summary>
    public static readonly Counter<long> Deferred = Count("deferred", "mail", "Mails that were answered before they were counted.");

    /// <summary>Checks, reads and adds that were answered without a sum, by reason.</summary>
    public static readonly Counter<long> Unavailable = Count(
        "unavailable", "operation", "Checks and reads without a sum, and adds that were not taken.");

    public static readonly Counter<long> NotSpooled = Count("not_spooled", "mail", "Mails that the spool did not take.");
    public static readonly Counter<long> Kept = Count("kept_for_other_nodes", "mail", "Mails that were kept for another node.");
    public static readonly Counter<long> Replayed = Count("replayed", "mail", "Mails that were counted from the spool.");
    public static readonly Counter<long> ForgottenIds = Count(
        "forgotten_request_ids", "id", "Request ids that were forgotten, so that a mail sent again would count twice.");

    /// <summary>The time of a commit, also of one that fails, by connection.</summary>
    public static readonly Histogram<double> CommitTime = PolicydMeter.Times("policyd.counters.commit.duration", "The time of a commit.");

    /// <summary>How many rows a commit writes.</summary>
    public static readonly Histogram<long> GroupSize = PolicydMeter.Shared.CreateHistogram(
        "policyd.counters.commit.rows",
        "{row}",
        "Rows of one commit.",
        advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000] });

    private static Counter<long> Count(string name, string unit, string description) =>
        PolicydMeter.Shared.CreateCounter<long>($"policyd.counters.{name}", $"{{{unit}}}", description);
}
