// The cluster as text for people. Names come from other nodes and from the configuration: each text is escaped before it reaches the
// terminal. The lines of show are those of "pbm cluster show", which scripts may read already.

using Policyd.Server.Admin.Cluster;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

internal sealed class ClusterView(TextWriter output)
{
    public void Write(ShowReport report)
    {
        foreach (var member in report.Members)
        {
            Line($"{member.Address} | [{string.Join(", ", member.Roles)}] | {member.Status} | "
                + $"{(member.Reachable ? "" : "unreachable")} | {member.AppVersion}");
        }

        Line($"Count: {report.Count} nodes");
    }

    public void Write(StatusReport report)
    {
        Pair("node", report.Node);
        Pair("state", report.Note is null ? report.State : $"{report.State}: {report.Note}");
        Pair("leader", report.Leader ?? "none");
        Pair("oldest", report.Oldest ?? "none");
        Pair("quorum", $"{YesNo(report.Quorum)}, {report.Reached} of {report.Members} members are reached");
        Pair("fenced", report.Fenced ? $"yes: {report.FencedReason}" : "no");
        foreach (var lease in report.Leases)
        {
            Pair($"lease {lease.Name}", lease.Owner ?? "nobody");
        }

        if (report.Database is { } database)
        {
            Pair("database", database.Reachable ? "reachable" : $"not reachable: {database.Reason}");
        }

        if (report.KeysInMemory is { } keys)
        {
            Pair("keys in memory", Shown.Number(keys));
            Pair("outbox", report.Outbox is { } outbox
                ? $"{Shown.Number(outbox.Adds)} adds wait for other nodes, {Shown.Number(outbox.OnDisk)} of them are on the disk"
                : "not known");
        }

        foreach (var deferred in report.Deferred)
        {
            Pair(
                $"deferred ({deferred.Connection})",
                $"{Shown.Number(deferred.Mails)} mails wait for the database, {Shown.Number(deferred.Spooled)} of them are in the spool");
        }
    }

    public void Write(ShardsReport report)
    {
        FittingTable.Write(
            Terminal.Of(output),
            [new("region", 1), new("shard", 0, true), new("entities", 0, true), new("node", 0)],
            [
                .. report.Shards.Select(static shard =>
                    (IReadOnlyList<string>)[shard.Region, shard.Shard, Shown.Number(shard.Entities), shard.Node]),
            ]);
        foreach (var node in report.Shards.GroupBy(static shard => shard.Node).OrderBy(static node => node.Key, StringComparer.Ordinal))
        {
            Line($"{node.Key}: {node.Count()} shards");
        }

        if (!report.Complete)
        {
            Line("not all nodes have answered: shards may be missing");
        }
    }

    public void Write(OwnerReport report)
    {
        Pair("key", $"{report.Table} ({report.Connection}), {report.Key}");
        Pair("partition", Shown.Number(report.Partition));
        Pair("node", report.Node ?? "not known: no node has answered for this partition");
        Pair("in memory", report.InMemory is { } isThere ? YesNo(isThere) : "not known");
    }

    public void Line(string text) => output.WriteLine(LogText.OneLine(text));

    private void Pair(string name, string value) => Line($"{name,-16} {value}");

    private static string YesNo(bool value) => value ? "yes" : "no";
}
