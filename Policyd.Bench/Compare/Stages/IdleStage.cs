using Policyd.Bench.Load;

namespace Policyd.Bench.Compare.Stages;

/// <summary>What a server costs while nobody asks: each one by itself, freshly started, after one answer.</summary>
internal static class IdleStage
{
    private static readonly Figure Processor = new(Stage.Idle, "CPU % of a core", 2, Comparable: false);
    private static readonly Figure Resident = new(Stage.Idle, "memory MiB", 0);

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        foreach (var server in run.Servers)
        {
            await using var contender = await run.StartAsync(server, cancellation).ConfigureAwait(false);
            await Task.Delay(run.Options.IdleSettling, cancellation).ConfigureAwait(false);
            var clock = System.Diagnostics.Stopwatch.StartNew();
            var before = ProcessorClock.Read(contender.ProcessId);
            await Task.Delay(run.Options.IdleTime, cancellation).ConfigureAwait(false);
            var percent = 100 * (ProcessorClock.Read(contender.ProcessId) - before) / clock.Elapsed;
            var resident = ProcessMemory.ReadResident(contender.ProcessId) / 1048576.0;
            run.Figures.Add(Processor, server.Name, percent);
            run.Figures.Add(Resident, server.Name, resident);
            run.Report($"idle        {server.Name,-10} {percent:0.00} % of a core  {resident:0} MiB");
        }
    }
}
