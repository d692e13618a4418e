using Policyd.Bench.Databases;
using Policyd.Bench.Load;
using Policyd.Bench.Runtime;

namespace Policyd.Bench.Compare.Stages;

/// <summary>
/// What it costs to count keys that another node owns. One node of a cluster is asked, in turn for keys of its own and for keys of another
/// node; a server without a cluster is asked in the same rounds. Then all of it at a fixed rate, where latencies say more.
/// </summary>
internal sealed class ClusterStage
{
    private const int MostRounds = 3;
    private const int PacedConnections = 50;
    private const string OfAnother = "keys of another node";

    private static readonly Figure Share = new(Stage.Cluster, "another node's / own keys: requests/s", 2);
    private static readonly Figure ShareOfAlone = new(Stage.Cluster, "own keys / without cluster: requests/s", 2);
    private static readonly Figure Added = new(Stage.Cluster, "another node's - own keys: p99 ms", 2);
    private static readonly Figure Owner = new(Stage.Cluster, $"{OfAnother}: CPU µs/request of that node", 1);
    private static readonly Figure OwnerGarbage = new(Stage.Cluster, $"{OfAnother}: garbage bytes/request of that node", 0);

    private readonly ComparisonRun _run;
    private readonly string _server;
    private readonly MeasuredCluster _cluster;
    private readonly int _pacedRate;
    private readonly Figure _addedPaced;
    private readonly Side _own;
    private readonly Side _others;
    private readonly Side _alone;

    private ClusterStage(
        ComparisonRun run,
        ContenderStart server,
        MeasuredCluster cluster,
        Contender alone,
        IReadOnlyList<int> own,
        IReadOnlyList<int> others)
    {
        (_run, _server, _cluster, _pacedRate) = (run, server.Name, cluster, run.Options.PacedRate);
        (_own, _others, _alone) = (
            new Side("own keys", cluster.Asked, own, _pacedRate),
            new Side(OfAnother, cluster.Asked, others, _pacedRate),
            new Side("without cluster", alone, own, _pacedRate));
        _addedPaced = new Figure(Stage.Cluster, $"another node's - own keys: p99 ms at {_pacedRate}/s", 2);
    }

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        if (run.Options.Database == DatabaseKind.Sqlite)
        {
            run.Report("cluster     not measured: SQLite is one machine's; take --database postgresql or mariadb");
            return;
        }

        foreach (var server in run.Servers.Where(server => server.Template == Chains.Text(ChainKind.Counting)))
        {
            await using var cluster = await MeasuredCluster.StartAsync(run, server, cancellation).ConfigureAwait(false);
            await using var alone = await run.StartAsync(server, cancellation).ConfigureAwait(false);
            await MeasureAsync(run, server, cluster, alone, cancellation).ConfigureAwait(false);
        }
    }

    private static async Task MeasureAsync(
        ComparisonRun run, ContenderStart server, MeasuredCluster cluster, Contender alone, CancellationToken cancellation)
    {
        var load = run.Options.Load;
        var (asked, other) = (
            await MeasuredCluster.NameOfAsync(cluster.Asked, cancellation).ConfigureAwait(false),
            await MeasuredCluster.NameOfAsync(cluster.Other, cancellation).ConfigureAwait(false));
        var places = await cluster.PlacesAsync(cancellation).ConfigureAwait(false);
        var stage = new ClusterStage(
            run, server, cluster, alone, ChosenKeys.On(asked, places, load), ChosenKeys.On(other, places, load));
        foreach (var one in (Side[])[stage._own, stage._others, stage._alone])
        {
            await RunningStages.WarmUpAsync(run, one.Contender, $"{server.Name}, {one.Name}", one.Of(load), cancellation)
                .ConfigureAwait(false);
        }

        await stage.MeasureAsync(cancellation).ConfigureAwait(false);
        await run.CheckSumsAsync(cluster.Asked, cancellation).ConfigureAwait(false);
        await run.CheckSumsAsync(alone, cancellation).ConfigureAwait(false);
        if (!places.SequenceEqual(await cluster.PlacesAsync(cancellation).ConfigureAwait(false)))
        {
            run.Fail($"{server.Name}: keys have moved to other nodes meanwhile");
        }
    }

    private async Task MeasureAsync(CancellationToken cancellation)
    {
        for (var round = 1; round <= _run.Options.Rounds; round++)
        {
            await MeasureRatesAsync(round, cancellation).ConfigureAwait(false);
        }

        for (var round = 1; round <= Math.Min(_run.Options.Rounds, MostRounds); round++)
        {
            await MeasurePacedAsync(round, cancellation).ConfigureAwait(false);
            foreach (var load in InTurn(round))
            {
                await CountGarbageAsync(load, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task MeasureRatesAsync(int round, CancellationToken cancellation)
    {
        var window = _run.Options.Load with { Duration = _run.Options.Window, Warmup = _run.Options.LeadIn };
        var reports = new Dictionary<Side, LoadReport>();
        foreach (var load in InTurn(round))
        {
            var before = ProcessorClock.Read(_cluster.Other.ProcessId);
            var measured = reports[load] = await _run.LoadAsync(load.Contender, load.Of(window), null, cancellation).ConfigureAwait(false);
            Add(load.Rate, measured.RequestsPerSecond);
            Add(load.Percentile99, measured.Microseconds.P99 / 1000);
            Add(load.Processor, measured.ProcessorMicroseconds ?? 0);
            if (load == _others)
            {
                var used = ProcessorClock.Read(_cluster.Other.ProcessId) - before;
                Add(Owner, used.TotalMicroseconds / Math.Max(1, measured.Asked.Requests));
            }

            var cost = FormattableString.Invariant($"cpu {measured.ProcessorMicroseconds,6:0.0} µs/request");
            Report(
                $"round {round}: {load.Name,-20} {measured.RequestsPerSecond,8:0}/s  p99 {measured.Microseconds.P99,7:0} µs  {cost}");
        }

        AddShare(Share, reports[_others], reports[_own]);
        AddShare(ShareOfAlone, reports[_own], reports[_alone]);
        Add(Added, (reports[_others].Microseconds.P99 - reports[_own].Microseconds.P99) / 1000);
    }

    private async Task MeasurePacedAsync(int round, CancellationToken cancellation)
    {
        var window = _run.Options.Load with
        {
            Rate = _pacedRate,
            Connections = PacedConnections,
            Duration = _run.Options.SlowWindow,
            Warmup = _run.Options.LeadIn,
        };
        var reports = new Dictionary<Side, LoadReport>();
        foreach (var load in InTurn(round))
        {
            var measured = reports[load] = await _run.LoadAsync(load.Contender, load.Of(window), null, cancellation).ConfigureAwait(false);
            var latency = measured.Microseconds;
            Add(load.PacedMedian, latency.P50 / 1000);
            Add(load.PacedPercentile99, latency.P99 / 1000);
            Report($"slow {round}: {load.Name,-20} {_pacedRate,8}/s  p50 {latency.P50,6:0}  p99 {latency.P99,7:0} µs");
        }

        Add(_addedPaced, (reports[_others].Microseconds.P99 - reports[_own].Microseconds.P99) / 1000);
    }

    private async Task CountGarbageAsync(Side load, CancellationToken cancellation)
    {
        await using var asked = await RuntimeWatch.StartAsync(load.Contender.ProcessId, cancellation).ConfigureAwait(false);
        await using var owner = await RuntimeWatch.StartAsync(_cluster.Other.ProcessId, cancellation).ConfigureAwait(false);
        var window = _run.Options.Load with { Duration = _run.Options.Window, Warmup = TimeSpan.Zero };
        var measured = await _run.LoadAsync(load.Contender, load.Of(window), null, cancellation).ConfigureAwait(false);
        await AddGarbageAsync(load.Garbage, asked, measured, cancellation).ConfigureAwait(false);
        if (load == _others)
        {
            await AddGarbageAsync(OwnerGarbage, owner, measured, cancellation).ConfigureAwait(false);
        }
    }

    // Without a diagnostics port nothing is counted.
    private async Task AddGarbageAsync(Figure figure, RuntimeWatch? watch, LoadReport measured, CancellationToken cancellation)
    {
        if (watch is not null)
        {
            var counted = await watch.TakeAsync(cancellation).ConfigureAwait(false);
            Add(figure, counted.AllocatedBytes / Math.Max(1, measured.Requests));
        }
    }

    private IEnumerable<Side> InTurn(int round) => round % 2 == 0 ? [_own, _others, _alone] : [_alone, _others, _own];

    private void Add(Figure figure, double value) => _run.Figures.Add(figure, _server, value);

    // A window in which nothing was answered has no share.
    private void AddShare(Figure figure, LoadReport ours, LoadReport theirs)
    {
        if (theirs.RequestsPerSecond > 0)
        {
            Add(figure, ours.RequestsPerSecond / theirs.RequestsPerSecond);
        }
    }

    private void Report(FormattableString line) => _run.Report($"{"cluster",-11} {_server,-10} {FormattableString.Invariant(line)}");

    /// <summary>Whom to ask for which keys.</summary>
    private sealed record Side(string Name, Contender Contender, IReadOnlyList<int> Keys, int Paced)
    {
        public Figure Rate { get; } = new(Stage.Cluster, $"{Name}: requests/s", 0);

        public Figure Percentile99 { get; } = new(Stage.Cluster, $"{Name}: p99 ms", 2);

        public Figure PacedMedian { get; } = new(Stage.Cluster, $"{Name}: p50 ms at {Paced}/s", 2);

        public Figure PacedPercentile99 { get; } = new(Stage.Cluster, $"{Name}: p99 ms at {Paced}/s", 2);

        public Figure Processor { get; } = new(Stage.Cluster, $"{Name}: CPU µs/request", 1);

        public Figure Garbage { get; } = new(Stage.Cluster, $"{Name}: garbage bytes/request", 0);

        public LoadOptions Of(LoadOptions window) => window with { ChosenKeys = Keys, Requests = null };
    }
}
