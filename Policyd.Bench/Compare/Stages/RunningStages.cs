using Policyd.Bench.Load;

namespace Policyd.Bench.Compare.Stages;

/// <summary>The stages that need all servers warm and at once: they are started together and measured window by window in turn.</summary>
internal static class RunningStages
{
    private static readonly TimeSpan LongestWarmupWindow = TimeSpan.FromSeconds(1);

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        var contenders = new List<Contender>();
        try
        {
            foreach (var server in run.Servers)
            {
                contenders.Add(await run.StartAsync(server, cancellation).ConfigureAwait(false));
            }

            foreach (var contender in contenders)
            {
                await WarmUpAsync(run, contender, cancellation).ConfigureAwait(false);
            }

            if (run.Options.Stages.HasFlag(Stage.Rates))
            {
                await WindowsStage.Rates().RunAsync(run, contenders, cancellation).ConfigureAwait(false);
            }

            if (run.Options.Stages.HasFlag(Stage.Slow))
            {
                await SlowStage.RunAsync(run, contenders, cancellation).ConfigureAwait(false);
            }

            if (run.Options.Stages.HasFlag(Stage.NewKeys) && contenders.Any(contender => contender.Start.Counts))
            {
                await WindowsStage.NewKeys().RunAsync(run, contenders, cancellation).ConfigureAwait(false);
            }

            foreach (var contender in contenders)
            {
                await run.CheckSumsAsync(contender, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (var contender in contenders)
            {
                await contender.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>The servers of a round, in every other one from the last: what drifts during a round then favours none of them.</summary>
    public static IEnumerable<Contender> InTurn(IReadOnlyList<Contender> contenders, int round) =>
        round % 2 == 0 ? contenders : contenders.Reverse();

    /// <summary>Loads a server until its rate is steady.</summary>
    public static Task WarmUpAsync(ComparisonRun run, Contender contender, CancellationToken cancellation) =>
        WarmUpAsync(run, contender, contender.Name, run.Options.Load, cancellation);

    /// <summary>The same with a load of its own.</summary>
    /// <param name="name">What the load of this server is told as.</param>
    public static async Task WarmUpAsync(
        ComparisonRun run, Contender contender, string name, LoadOptions requests, CancellationToken cancellation)
    {
        var options = run.Options;
        var length = options.Window < LongestWarmupWindow ? options.Window : LongestWarmupWindow;
        var load = requests with { Duration = length, Requests = null, Warmup = TimeSpan.Zero };
        var rate = new SteadyRate();
        while (rate.Windows < options.WarmupWindows && !rate.IsSteady)
        {
            var measured = await run.LoadAsync(contender, load, null, cancellation).ConfigureAwait(false);
            rate.Add(measured.RequestsPerSecond);
            run.Report($"warm-up {rate.Windows,-3} {name,-10} {measured.RequestsPerSecond,8:0}/s");
        }

        run.Warmed(new Warmup(name, rate.Windows, rate.IsSteady));
    }
}
