namespace Policyd.Bench.Compare.Stages;

/// <summary>
/// A request's price where a server mostly waits: at the rates that Postfix asks at, in an open loop. What works while nothing
/// happens, and what each wake-up costs, shows only here.
/// </summary>
internal static class SlowStage
{
    private const int MostRounds = 3;
    private const int Connections = 50;

    private static readonly TimeSpan LeadIn = TimeSpan.FromSeconds(0.5);

    private static readonly SlowRate[] Rates = [new(100), new(1000)];

    public static async Task RunAsync(ComparisonRun run, IReadOnlyList<Contender> contenders, CancellationToken cancellation)
    {
        for (var round = 1; round <= Math.Min(run.Options.Rounds, MostRounds); round++)
        {
            foreach (var rate in Rates)
            {
                foreach (var contender in RunningStages.InTurn(contenders, round))
                {
                    await MeasureAsync(run, contender, rate, round, cancellation).ConfigureAwait(false);
                }
            }
        }
    }

    private static async Task MeasureAsync(ComparisonRun run, Contender contender, SlowRate rate, int round, CancellationToken cancellation)
    {
        var load = run.Options.Load with
        {
            Rate = rate.PerSecond,
            Connections = Connections,
            Duration = run.Options.SlowWindow,
            Requests = null,
            Warmup = LeadIn < run.Options.SlowWindow ? LeadIn : run.Options.SlowWindow,
        };
        var measured = await run.LoadAsync(contender, load, null, cancellation).ConfigureAwait(false);
        var latency = measured.Microseconds;
        run.Figures.Add(rate.Processor, contender.Name, measured.ProcessorMicroseconds ?? 0);
        run.Figures.Add(rate.Median, contender.Name, latency.P50);
        run.Figures.Add(rate.Percentile99, contender.Name, latency.P99);
        var times = FormattableString.Invariant($"p50 {latency.P50,6:0}  p99 {latency.P99,7:0} µs");
        run.Report(
            $"slow {round,-6} {contender.Name,-10} {rate.PerSecond,8:0}/s  {times}  cpu {measured.ProcessorMicroseconds,6:0.0} µs/request");
    }

    private sealed record SlowRate(int PerSecond)
    {
        public Figure Processor { get; } = new(Stage.Slow, $"CPU µs/request at {PerSecond}/s", 0);

        public Figure Median { get; } = new(Stage.Slow, $"p50 µs at {PerSecond}/s", 0);

        public Figure Percentile99 { get; } = new(Stage.Slow, $"p99 µs at {PerSecond}/s", 0);
    }
}
