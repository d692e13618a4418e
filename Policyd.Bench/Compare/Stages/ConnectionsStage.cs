using Policyd.Bench.Idle;

namespace Policyd.Bench.Compare.Stages;

/// <summary>Memory of each of many connections that have asked once and then wait, as Postfix's do.</summary>
internal static class ConnectionsStage
{
    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        var count = run.Options.IdleConnections;
        var each = new Figure(Stage.Connections, FormattableString.Invariant($"KiB for each of {count:N0}"), 1);
        foreach (var server in run.Servers)
        {
            await using var contender = await run.StartAsync(server, cancellation).ConfigureAwait(false);
            var measuring = IdleConnections.MeasureAsync(
                contender.Endpoint,
                count,
                askOnce: true,
                contender.ProcessId,
                run.Options.IdleSettling,
                hold: Task.CompletedTask,
                cancellation);
            var idle = await measuring.ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            if (idle.Closed > 0 || idle.Answer.Requests != 1)
            {
                var fresh = idle.Answer.Requests == 1 ? "answered" : "not answered";
                run.Fail($"{server.Name}: {idle.Closed} of {count} idle connections were closed; a fresh one was {fresh}");
            }

            run.Figures.Add(each, server.Name, idle.BytesPerConnection!.Value / 1024);
            run.Report($"connections {server.Name,-10} {idle.BytesPerConnection / 1024:0.0} KiB for each of {count}");
        }
    }
}
