using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Policyd.Bench.Load;

namespace Policyd.Bench.Commands;

/// <summary>`load`: measures one running server.</summary>
internal static class LoadCommand
{
    private const int Failed = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public static Command Create()
    {
        var endpoint = EndpointArgument.Server();
        var load = new LoadArguments(seconds: 10, warmup: 2, single: true);
        var pid = new Option<int?>("--pid")
        {
            Description = "The server's process: tells its processor time for a request, and its resident memory, sampled each second."
        };
        var json = new Option<bool>("--json") { Description = "The summary as JSON on the standard output." };
        var command = new Command(
            "load",
            "Load a server, in a closed loop or at a fixed rate, and report rate, latencies and errors. Exit "
                + "code 1 when there were errors.")
        {
            endpoint
        };
        load.AddTo(command);
        command.Options.Add(pid);
        command.Options.Add(json);
        command.SetAction((result, cancellation) => BenchCommand.GuardAsync(result, () =>
        {
            var options = load.Read(result, result.GetRequiredValue(endpoint)) with { ServerPid = result.GetValue(pid) };
            return RunAsync(options, result.GetValue(json), result.InvocationConfiguration, cancellation);
        }));
        return command;
    }

    /// <summary>The line that a run prints each second.</summary>
    public static string Show(LoadProgress progress)
    {
        var memory = progress.Resident is { } bytes
            ? $"  rss {(bytes / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture)} MiB"
            : string.Empty;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{progress.Elapsed.TotalSeconds,6:0} s  {progress.RequestsPerSecond,8:0}/s  p99 {progress.Latencies.P99,7:0} µs  errors "
                + $"{progress.Errors}{memory}{(progress.Warming ? "  (warm-up)" : string.Empty)}");
    }

    /// <summary>Runs a load on its own thread, for it blocks in epoll.</summary>
    public static Task<LoadReport> MeasureAsync(LoadOptions options, Action<LoadProgress>? progress, CancellationToken cancellation) =>
        Task.Factory.StartNew(
            () =>
            {
                using var generator = new LoadGenerator(options, progress);
                return generator.Run(cancellation);
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

    private static async Task<int> RunAsync(LoadOptions options, bool json, InvocationConfiguration console, CancellationToken cancellation)
    {
        var report = await MeasureAsync(options, progress => console.Error.WriteLine(Show(progress)), cancellation).ConfigureAwait(false);
        await console.Output.WriteLineAsync(json ? JsonSerializer.Serialize(report, Json) : report.ToText().TrimEnd())
            .ConfigureAwait(false);
        return report.Errors.Total == 0 ? 0 : Failed;
    }
}
