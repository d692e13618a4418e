using Policyd.Bench.Load;

namespace Policyd.Bench.Compare.Stages;

/// <summary>Whether a server holds its size over many mails, each with an instance of its own. The echo keeps nothing, so
/// it is not asked.</summary>
internal static class MemoryStage
{
    private static readonly Figure Mails = new(Stage.Memory, "mails", 0);
    private static readonly Figure Begin = new(Stage.Memory, "MiB at the start", 0);
    private static readonly Figure Most = new(Stage.Memory, "MiB at most", 0);
    private static readonly Figure End = new(Stage.Memory, "MiB at the end", 0);
    private static readonly Figure Growth = new(Stage.Memory, "last third / middle third", 2);

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        foreach (var server in run.Servers.Where(server => server.IsOurs))
        {
            await using var contender = await run.StartAsync(server, cancellation).ConfigureAwait(false);
            var samples = new List<double>();
            var load = run.Options.Load with
            {
                Requests = run.Options.Mails,
                Duration = run.Options.MemoryLimit,
                Warmup = TimeSpan.Zero,
                RecipientsPerInstance = 1,
            };
            var measured = await run.LoadAsync(contender, load, Sample, cancellation).ConfigureAwait(false);
            await run.CheckSumsAsync(contender, cancellation).ConfigureAwait(false);
            var memory = measured.Memory!;
            run.Figures.Add(Mails, server.Name, measured.Requests);
            run.Figures.Add(Begin, server.Name, memory.Start / 1048576.0);
            run.Figures.Add(Most, server.Name, memory.Max / 1048576.0);
            run.Figures.Add(End, server.Name, memory.End / 1048576.0);
            if (MemoryGrowth.Of(samples) is { } growth)
            {
                run.Figures.Add(Growth, server.Name, growth);
            }

            run.Report($"memory      {server.Name,-10} {measured.Requests} mails: {memory}");

            void Sample(LoadProgress progress)
            {
                samples.Add(progress.Resident ?? 0);
                var (seconds, resident) = (progress.Elapsed.TotalSeconds, progress.Resident / 1048576.0);
                run.Report($"memory      {server.Name,-10} {seconds,6:0} s  {progress.RequestsPerSecond,8:0}/s  {resident:0.0} MiB");
            }
        }
    }
}
