using Policyd.Bench.Load;

namespace Policyd.Bench.Compare.Stages;

/// <summary>A server that starts under load: when it has its full speed, and how late the answers of its first seconds are.</summary>
internal static class StartStage
{
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(0.25);
    private static readonly TimeSpan FirstSeconds = TimeSpan.FromSeconds(2);

    private static readonly Figure FullSpeed = new(Stage.Start, "steady speed s", 1);
    private static readonly Figure Percentile99 = new(Stage.Start, "p99 ms of the first 2 s", 1);
    private static readonly Figure Longest = new(Stage.Start, "longest ms of the first 2 s", 1);

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        for (var start = 1; start <= run.Options.Starts; start++)
        {
            foreach (var server in run.Servers)
            {
                await MeasureAsync(run, server, cancellation).ConfigureAwait(false);
            }
        }
    }

    private static async Task MeasureAsync(ComparisonRun run, ContenderStart server, CancellationToken cancellation)
    {
        await using var contender = await run.StartAsync(server, cancellation).ConfigureAwait(false);
        var samples = new List<RateSample>();
        LatencySummary? early = null;
        var load = run.Options.Load with
        {
            Duration = run.Options.StartTime,
            Requests = null,
            Warmup = TimeSpan.Zero,
            ProgressInterval = SampleInterval < run.Options.StartTime / 10 ? SampleInterval : run.Options.StartTime / 10,
        };
        var all = await run.LoadAsync(
            contender,
            load,
            progress =>
            {
                samples.Add(new RateSample(progress.Elapsed, progress.RequestsPerSecond));
                early = progress.Elapsed <= FirstSeconds || early is null ? progress.Latencies : early;
            },
            cancellation).ConfigureAwait(false);
        await run.CheckSumsAsync(contender, cancellation).ConfigureAwait(false);
        early ??= all.Microseconds;
        run.Figures.Add(Percentile99, server.Name, early.P99 / 1000);
        run.Figures.Add(Longest, server.Name, early.Max / 1000);
        var steady = (contender.FirstAnswer + RiseTime.Find(samples))?.TotalSeconds;
        if (steady is { } seconds)
        {
            run.Figures.Add(FullSpeed, server.Name, seconds);
        }

        run.Report($"{"start",-11} {server.Name,-10} steady {steady:0.0} s after its start");
        run.Report($"{"",-11} {server.Name,-10} first 2 s of load: p99 {early.P99 / 1000:0.0} ms, longest {early.Max / 1000:0.0} ms");
    }
}
