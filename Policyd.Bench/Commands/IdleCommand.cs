using System.CommandLine;
using System.Globalization;
using Policyd.Bench.Idle;

namespace Policyd.Bench.Commands;

/// <summary>`idle`: many connections that ask nothing.</summary>
internal static class IdleCommand
{
    private const int MaxConnections = 60_000;
    private static readonly TimeSpan Still = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var endpoint = EndpointArgument.Server();
        var connections = LoadArguments.Number("--connections", "Connections to open.", 10_000, 1, MaxConnections);
        var askOnce = new Option<bool>("--ask-once") { Description = "Ask one request on each connection before it falls idle." };
        var pid = new Option<int?>("--pid") { Description = "The server's process: tells the resident memory of a connection." };
        var hold = new Option<bool>("--hold") { Description = "Keep the connections open until standard input ends." };
        var command = new Command("idle", "Open idle connections, tell what each costs the server, and check that a fresh one is answered.")
        {
            endpoint, connections, askOnce, pid, hold,
        };
        command.SetAction((result, cancellation) => BenchCommand.GuardAsync(result, async () =>
        {
            // The console's reader blocks, also in its asynchronous calls.
            var held = result.GetValue(hold) ? Task.Run(Console.In.ReadToEnd, cancellation) : Task.CompletedTask;
            var report = await IdleConnections.MeasureAsync(
                result.GetRequiredValue(endpoint),
                result.GetValue(connections),
                result.GetValue(askOnce),
                result.GetValue(pid),
                Still,
                held,
                cancellation).ConfigureAwait(false);
            await result.InvocationConfiguration.Output.WriteLineAsync(Show(report)).ConfigureAwait(false);
            return report.Answer.Errors.Total == 0 && report.Answer.Requests == 1 && report.Closed == 0 ? 0 : 1;
        }));
        return command;
    }

    private static string Show(IdleReport report)
    {
        var answered = report.Answer.Requests == 1 && report.Answer.Errors.Total == 0 ? "answered" : "NOT answered";
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Connections} idle connections, {report.Closed} of them closed by the server; a fresh connection was {answered} in "
                + $"{report.Answer.Microseconds.Max:0} µs");
        return report.BytesPerConnection is { } bytes
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{text}\nresident {report.ResidentBefore / 1048576.0:0.0} -> {report.ResidentAfter / 1048576.0:0.0} MiB: "
                    + $"{bytes / 1024:0.0} KiB a connection")
            : text;
    }
}
