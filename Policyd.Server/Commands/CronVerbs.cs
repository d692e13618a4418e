// policyd cron list|run: one question to the running server each. (policyd cron TASK is CronCommand, which needs no server.)

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Policyd.Server.Admin.Cron;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

internal sealed class CronVerbs(TextWriter output) : AdminVerb(output)
{
    public Command List()
    {
        var verb = Verb("list", "Show the tasks of the running server: last run, duration, result and next run.", "  policyd cron list");
        verb.SetAction(
            (result, cancellation) => AskAsync("cron.list", [], result, CronReports.Default.CronListReport, Write, cancellation));
        return verb;
    }

    public Command Run()
    {
        var task = new Argument<string>("TASK") { Description = "A task of the configuration." };
        var verb = Verb("run", "Run a task in the running server now, and wait for its end.", "  policyd cron run daily");
        verb.Arguments.Add(task);
        verb.SetAction((result, cancellation) => AskAsync(
            "cron.run",
            new JsonObject { ["task"] = result.GetRequiredValue(task) },
            result,
            CronReports.Default.CronRunReport,
            report => Output.WriteLine(LogText.OneLine($"{report.Task}: {Result(report)}, {Took(report)}")),
            cancellation,
            static report => report.Result == "done" ? ExitCode.Ok : ExitCode.Software));
        return verb;
    }

    private void Write(CronListReport report)
    {
        FittingTable.Write(
            Terminal.Of(Output),
            [new("task", 0), new("when", 4), new("last run", 2), new("took", 5), new("result", 1), new("next run", 3)],
            [
                .. report.Tasks.Select(task => (IReadOnlyList<string>)
                    [task.Name, task.Expression, Time(task.Last?.Started), Took(task.Last), Result(task.Last), Time(task.Next)]),
            ]);
    }

    private static string Time(DateTimeOffset? time) => time is { } known ? Shown.Time(known) : "never";

    private static string Took(CronRunReport? run) =>
        run?.Seconds is { } seconds ? seconds.ToString("0.000", CultureInfo.InvariantCulture) + " s" : "";

    private static string Result(CronRunReport? run) => run switch
    {
        null => "",
        { Result: "failed", Failures: 1 } => "failed: 1 plugin, see the log",
        { Result: "failed" } => $"failed: {run.Failures} plugins, see the log",
        _ => run.Result,
    };
}
