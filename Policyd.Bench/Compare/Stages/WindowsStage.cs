using Policyd.Bench.Load;
using Policyd.Bench.Runtime;

namespace Policyd.Bench.Compare.Stages;

/// <summary>Windows of all that a server can do, and after them windows that count its garbage, because to count costs
/// the server something.</summary>
/// <param name="loadAsync">Loads a server for one window.</param>
internal sealed class WindowsStage(
    Stage stage, Func<ComparisonRun, Contender, LoadOptions, CancellationToken, Task<LoadReport>> loadAsync)
{
    private const int MostGarbageRounds = 3;

    private readonly Figure _rate = new(stage, "requests/s", 0);
    private readonly Figure _processor = new(stage, "CPU µs/request", 1);
    private readonly Figure _median = new(stage, "p50 µs", 0);
    private readonly Figure _percentile99 = new(stage, "p99 µs", 0);
    private readonly Figure _percentile999 = new(stage, "p99.9 µs", 0);
    private readonly Figure _resident = new(stage, "memory MiB", 0);
    private readonly Figure _garbage = new(stage, "garbage bytes/request", 0, Comparable: false);
    private readonly Figure _workItems = new(stage, "work items/request", 2, Comparable: false);
    private readonly Figure _pauses = new(stage, "GC pauses/s", 1, Comparable: false);
    private readonly Figure _longestPause = new(stage, "longest GC pause ms", 2, Comparable: false);
    private readonly Figure _totalPause = new(stage, "GC pauses ms/s", 2, Comparable: false);

    public static WindowsStage Rates() =>
        new(Stage.Rates, (run, contender, load, cancellation) => run.LoadAsync(contender, load, null, cancellation));

    /// <summary>As <see cref="Rates"/>, but each request brings new keys.</summary>
    public static WindowsStage NewKeys() =>
        new(Stage.NewKeys, (run, contender, load, cancellation) => run.LoadNewKeysAsync(contender, load, null, cancellation));

    public async Task RunAsync(ComparisonRun run, IReadOnlyList<Contender> contenders, CancellationToken cancellation)
    {
        for (var round = 1; round <= run.Options.Rounds; round++)
        {
            foreach (var contender in RunningStages.InTurn(contenders, round))
            {
                await MeasureAsync(run, contender, round, cancellation).ConfigureAwait(false);
            }
        }

        for (var round = 1; round <= Math.Min(run.Options.Rounds, MostGarbageRounds); round++)
        {
            foreach (var contender in RunningStages.InTurn(contenders, round))
            {
                await CountGarbageAsync(run, contender, round, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task MeasureAsync(ComparisonRun run, Contender contender, int round, CancellationToken cancellation)
    {
        var measured = await loadAsync(run, contender, Window(run, run.Options.LeadIn), cancellation).ConfigureAwait(false);
        var (latency, name) = (measured.Microseconds, contender.Name);
        var resident = measured.Memory!.End / 1048576.0;
        run.Figures.Add(_rate, name, measured.RequestsPerSecond);
        run.Figures.Add(_processor, name, measured.ProcessorMicroseconds ?? 0);
        run.Figures.Add(_median, name, latency.P50);
        run.Figures.Add(_percentile99, name, latency.P99);
        run.Figures.Add(_percentile999, name, latency.P999);
        run.Figures.Add(_resident, name, resident);
        var cost = FormattableString.Invariant($"cpu {measured.ProcessorMicroseconds,6:0.0} µs/request  {resident,5:0} MiB");
        run.Report(
            $"round {round,-5} {name,-10} {measured.RequestsPerSecond,8:0}/s  p50 {latency.P50,6:0}  p99 {latency.P99,7:0} µs  {cost}");
    }

    private async Task CountGarbageAsync(ComparisonRun run, Contender contender, int round, CancellationToken cancellation)
    {
        var watch = await RuntimeWatch.StartAsync(contender.ProcessId, cancellation).ConfigureAwait(false);
        if (watch is null)
        {
            run.Report($"garbage {round,-3} {contender.Name,-10} not counted: it is no .NET process, or its diagnostics port is off");
            return;
        }

        await using var _ = watch.ConfigureAwait(false);
        var measured = await loadAsync(run, contender, Window(run, TimeSpan.Zero), cancellation).ConfigureAwait(false);
        var counted = await watch.TakeAsync(cancellation).ConfigureAwait(false);
        var (requests, name) = (Math.Max(1, measured.Requests), contender.Name);
        run.Figures.Add(_garbage, name, counted.AllocatedBytes / requests);
        run.Figures.Add(_workItems, name, counted.WorkItems / requests);
        run.Figures.Add(_pauses, name, counted.Pauses.Count / measured.Seconds);
        run.Figures.Add(_longestPause, name, counted.LongestPause);
        run.Figures.Add(_totalPause, name, counted.TotalPause / measured.Seconds);
        var each = FormattableString.Invariant(
            $"{counted.AllocatedBytes / requests,6:0} bytes  {counted.WorkItems / requests:0.00} work items");
        run.Report($"garbage {round,-3} {name,-10} {each}  {counted.Pauses.Count} pauses, longest {counted.LongestPause:0.00} ms");
    }

    private static LoadOptions Window(ComparisonRun run, TimeSpan leadIn) =>
        run.Options.Load with { Duration = run.Options.Window, Requests = null, Warmup = leadIn };
}
