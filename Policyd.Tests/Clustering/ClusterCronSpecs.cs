using System.Text.Json;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>Periodic tasks run once in a cluster, also when the node that runs them dies during one: the ledger tells.</summary>
[ServerTest]
public sealed class ClusterCronSpecs(ITestOutputHelper output)
{
    private const string EverySecond =
        """cron { catch_up = on, tasks { hourly = off, weekly = off, monthly = off, daily = "* * * * * *" } }""";
    private const string Ledgers = "SELECT 'ledgers', count(*) FROM pg_class WHERE relname = 'policyd_cron_journal'";
    private const string Waiting = "SELECT 'waiting', count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

    [Fact]
    public async Task Task_whose_node_dies_during_it_is_run_to_its_end_once_by_another()
    {
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { Sections = EverySecond });
        await Eventually.Settles(
            () => $"some runs to be over; the nodes printed:\n{cluster.Printed}",
            async () => (await cluster.Numbers(Ledgers))["ledgers"] == 1 && Ended(await Ledger(cluster)) >= 2,
            ClusterUnderTest.Timeout);

        // A run that the database holds up: its purge reads the table.
        await using var holder = await cluster.OpenDatabase();
        await holder.Execute("BEGIN; LOCK TABLE acct_sender");
        await Eventually.Holds(
            "a run to wait for it",
            async () => (await cluster.Numbers(Waiting))["waiting"] > 0
                && (await Ledger(cluster))[^1].StartsWith("started", StringComparison.Ordinal),
            ClusterUnderTest.Timeout);
        var ended = Ended(await Ledger(cluster));
        await (await cluster.Oldest()).Kill();
        await holder.Execute("COMMIT");
        await Eventually.Holds(
            "more runs by another node", async () => Ended(await Ledger(cluster)) >= ended + 3, ClusterUnderTest.Timeout);

        var ledger = await Ledger(cluster);
        var runs = ledger.Select(static (line, number) => (line, number))
            .Where(static one => one.line.StartsWith("started", StringComparison.Ordinal)).ToList();
        var interrupted = runs.Where(run => run.number + 1 < ledger.Count
            && !ledger[run.number + 1].StartsWith("ended", StringComparison.Ordinal)).ToList();
        var scheduled = runs.ConvertAll(static run => ScheduledOf(run.line));
        Summary.Line(
            output, $"cron in a cluster whose oldest node was killed: {runs.Count} runs, {interrupted.Count} of them interrupted");
        Assert.True(interrupted.Count == 1, string.Join('\n', ledger));
        Assert.Equal(scheduled.Distinct(), scheduled);
    }

    private static int Ended(List<string> ledger) => ledger.Count(static line => line.StartsWith("ended", StringComparison.Ordinal));

    private static string? ScheduledOf(string line) =>
        JsonDocument.Parse(line[line.IndexOf('{', StringComparison.Ordinal)..]).RootElement.GetProperty("scheduled").GetString();

    /// <summary>What the ledger tells, in its order: the kind of each event and its JSON.</summary>
    private static async Task<List<string>> Ledger(ClusterUnderTest cluster) =>
    [
        .. (await cluster.Numbers(
                "SELECT manifest || ' ' || sequence_number || ' ' || convert_from(message, 'UTF8'), sequence_number "
                    + "FROM policyd_cron_journal WHERE manifest LIKE 'started%' OR manifest LIKE 'ended%'"))
            .OrderBy(static one => one.Value).Select(static one => one.Key),
    ];
}
