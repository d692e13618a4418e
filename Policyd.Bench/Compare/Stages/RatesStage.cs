using Policyd.Bench.Load;
using Policyd.Bench.Runtime;

namespace Policyd.Bench.Compare.Stages;

/// <summary>Windows of all that a server can do, and after them windows that count its garbage, because to count costs
/// the server something.</summary>
internal static class RatesStage
{
    private const int MostGarbageRounds = 3;

    private static readonly Figure Rate = new(Stage.Rates, "requests/s", 0);
    private static readonly Figure Processor = new(Stage.Rates, "CPU µs/request", 1);
    private static readonly Figure Median = new(Stage.Rates, "p50 µs", 0);
    private static readonly Figure Percentile99 = new(Stage.Rates, "p99 µs", 0);
    private static readonly Figure Percentile999 = new(Stage.Rates, "p99.9 µs", 0);
    private static readonly Figure Resident = new(Stage.Rates, "memory MiB", 0);
    private static readonly Figure Garbage = new(Stage.Rates, "garbage bytes/request", 0, Comparable: false);
    private static readonly Figure WorkItems = new(Stage.Rates, "work items/request", 2, Comparable: false);
    private static readonly Figure Pauses = new(Stage.Rates, "GC pauses/s", 1, Comparable: false);
    private static readonly Figure LongestPause = new(Stage.Rates, "longest GC pause ms", 2, Comparable: false);
    private static readonly Figure TotalPause = new(Stage.Rates, "GC pauses ms/s", 2, Comparable: false);

    public static async Task RunAsync(ComparisonRun run, IReadOnlyList<Contender> contenders, CancellationToken cancellation)
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

    private static async Task MeasureAsync(ComparisonRun run, Contender contender, int round, CancellationToken cancellation)
    {
        var measured = await run.LoadAsync(contender, Window(run, run.Options.LeadIn), null, cancellation).ConfigureAwait(false);
        var (latency, name) = (measured.Microseconds, contender.Name);
        var resident = measured.Memory!.End / 1048576.0;
        run.Figures.Add(Rate, name, measured.RequestsPerSecond);
        run.Figures.Add(Processor, name, measured.ProcessorMicroseconds ?? 0);
        run.Figures.Add(Median, name, latency.P50);
        run.Figures.Add(Percentile99, name, latency.P99);
        run.Figures.Add(Percentile999, name, latency.P999);
        run.Figures.Add(Resident, name, resident);
        var cost = FormattableString.Invariant($"cpu {measured.ProcessorMicroseconds,6:0.0} µs/request  {resident,5:0} MiB");
        run.Report(
            $"round {round,-5} {name,-10} {measured.RequestsPerSecond,8:0}/s  p50 {latency.P50,6:0}  p99 {latency.P99,7:0} µs  {cost}");
    }

    private static async Task CountGarbageAsync(ComparisonRun run, Contender contender, int round, CancellationToken cancellation)
    {
        var watch = await RuntimeWatch.StartAsync(contender.ProcessId, cancellation).ConfigureAwait(false);
        if (watch is null)
        {
            run.Report($"garbage {round,-3} {contender.Name,-10} not counted: it is no .NET process, or its diagnostics port is off");
            return;
        }

        await using var _ = watch.ConfigureAwait(false);
        var measured = await run.LoadAsync(contender, Window(run, TimeSpan.Zero), null, cancellation).ConfigureAwait(false);
        var counted = await watch.TakeAsync(cancellation).ConfigureAwait(false);
        var (requests, name) = (Math.Max(1, measured.Requests), contender.Name);
        run.Figures.Add(Garbage, name, counted.AllocatedBytes / requests);
        run.Figures.Add(WorkItems, name, counted.WorkItems / requests);
        run.Figures.Add(Pauses, name, counted.Pauses.Count / measured.Seconds);
        run.Figures.Add(LongestPause, name, counted.LongestPause);
        run.Figures.Add(TotalPause, name, counted.TotalPause / measured.Seconds);
        var each = FormattableString.Invariant(
            $"{counted.AllocatedBytes / requests,6:0} bytes  {counted.WorkItems / requests:0.00} work items");
        run.Report($"garbage {round,-3} {name,-10} {each}  {counted.Pauses.Count} pauses, longest {counted.LongestPause:0.00} ms");
    }

    private static LoadOptions Window(ComparisonRun run, TimeSpan leadIn) =>
        run.Options.Load with { Duration = run.Options.Window, Requests = null, Warmup = leadIn };
}
