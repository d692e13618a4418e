using System.Net.Sockets;
using Policyd.Bench.Compare.Stages;
using Policyd.Bench.Databases;

namespace Policyd.Bench.Compare;

/// <summary>How many windows a server has warmed up for, and whether its rate was steady then.</summary>
public sealed record Warmup(string Server, int Windows, bool Steady);

/// <summary>All that a comparison found.</summary>
/// <param name="Environment">Settings of the .NET runtime that every server has inherited; figures with any are not those of a default
/// start.</param>
/// <param name="Pairs">Which servers are told as a share of which.</param>
/// <param name="Sums">Counter tables that hold just what was asked, one for each start of a server in a stage that counts.</param>
/// <param name="Problems">Wrong answers and stages that failed, as lines for people; empty when all is well.</param>
public sealed record ComparisonResult(
    CompareOptions Options,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyList<ContenderStart> Servers,
    IReadOnlyList<Pair> Pairs,
    Figures Figures,
    IReadOnlyList<Warmup> Warmups,
    IReadOnlyList<(string Server, SumsResult Result)> Sums,
    IReadOnlyList<string> Problems);

/// <summary>
/// Measures the servers in turn, window by window: on a machine that is busy with other things too, only what was measured
/// in the same minute can be held against each other.
/// </summary>
public static class Comparison
{
    private const Stage OfCounters = Stage.NewKeys | Stage.Keys | Stage.Owners | Stage.Cluster;

    /// <param name="servers">The servers, ours first.</param>
    /// <param name="directory">Where they keep their files, each in a directory of its own.</param>
    /// <param name="report">Takes a line for people as each measurement ends.</param>
    /// <exception cref="InvalidOperationException">Nothing could be measured; the message says why.</exception>
    public static async Task<ComparisonResult> RunAsync(
        IReadOnlyList<ContenderStart> servers,
        CompareOptions options,
        string directory,
        Action<string> report,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        if ((options.Stages & ~OfCounters) == Stage.None && !servers.Any(server => server.Counts))
        {
            throw new InvalidOperationException(
                "The stages newkeys, keys, owners and cluster are for a chain that counts: --chain counting.");
        }

        if (options.Stages == Stage.Cluster && options.Database == DatabaseKind.Sqlite)
        {
            throw new InvalidOperationException("A cluster needs --database postgresql or mariadb: SQLite is one machine's.");
        }

        // SQLite has no server to start, so it stands for "none" too.
        var kind = servers.Any(server => server.Counts) ? options.Database : DatabaseKind.Sqlite;
        var databases = await DatabaseServers.StartAsync(kind, directory, cancellation).ConfigureAwait(false);
        await using var _ = databases.ConfigureAwait(false);
        var run = new ComparisonRun(servers, options, directory, databases, report);
        (Stage Stages, Func<ComparisonRun, CancellationToken, Task> RunAsync)[] parts =
        [
            (Stage.Rates | Stage.Slow | Stage.NewKeys, RunningStages.RunAsync),
            (Stage.Idle, IdleStage.RunAsync),
            (Stage.Start, StartStage.RunAsync),
            (Stage.Connections, ConnectionsStage.RunAsync),
            (Stage.Memory, MemoryStage.RunAsync),
            (Stage.Keys, KeysStage.RunAsync),
            (Stage.Owners, OwnersStage.RunAsync),
            (Stage.Cluster, ClusterStage.RunAsync),
        ];
        foreach (var (stages, runAsync) in parts.Where(part => (part.Stages & options.Stages) != 0))
        {
            try
            {
                await runAsync(run, cancellation).ConfigureAwait(false);
            }
            catch (Exception reason) when (reason is SocketException or InvalidOperationException or TimeoutException or IOException)
            {
                // The figures of the other stages are minutes of work.
                run.Fail($"{(stages & options.Stages).ToString().ToLowerInvariant()}: {reason.Message}");
            }
        }

        return run.Figures.All.Any()
            ? new ComparisonResult(
                options, InheritedSettings.Read(), servers, PairsOf(servers), run.Figures, run.Warmups, run.Sums, run.Problems)
            : throw new InvalidOperationException(string.Join(Environment.NewLine, run.Problems));
    }

    /// <summary>Each of ours as a share of each other server, and the first of ours as a share of the rest of ours.</summary>
    public static IReadOnlyList<Pair> PairsOf(IReadOnlyList<ContenderStart> servers)
    {
        ArgumentNullException.ThrowIfNull(servers);
        var ours = servers.Where(server => server.IsOurs).ToArray();
        var others = servers.Where(server => !server.IsOurs);
        return
        [
            .. others.SelectMany(other => ours.Select(our => new Pair(our.Name, other.Name, SameKind: false))),
            .. ours.Skip(1).Select(our => new Pair(ours[0].Name, our.Name, SameKind: true)),
        ];
    }
}
