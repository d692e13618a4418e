// policyd cron list|run: one question to the running server each. (policyd cron TASK is CronCommand, which needs no server.)

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Server.Admin;
using Policyd.Server.Admin.Cron;
using Policyd.Server.Logging;
using Spectre.Console;

namespace Policyd.Server.Commands;

internal sealed class CronVerbs(TextWriter output)
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    private readonly Option<string?> _config = PolicydCommandLine.ConfigOption();
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON document instead of a table." };

    public Command List()
    {
        var verb = Verb("list", "Show the tasks of the running server: last run, its length and result, next run.", "  policyd cron list");
        verb.SetAction(async (result, cancellation) =>
        {
            var answer = await AskAsync("cron.list", [], result, cancellation);
            return Print(result, answer, CronReports.Default.CronListReport, report =>
            {
                var table = new Table().Border(TableBorder.Simple).AddColumns("task", "when", "last run", "took", "result", "next run");
                foreach (var task in report.Tasks)
                {
                    table.AddRow(Cells(task.Name, task.Expression, Time(task.Last?.Started), Took(task.Last), Result(task.Last), Time(task.Next)));
                }

                Terminal.Of(output).Write(table);
                return ExitCode.Ok;
            });
        });
        return verb;
    }

    public Command Run()
    {
        var task = new Argument<string>("TASK") { Description = "A task of the configuration." };
        var verb = Verb("run", "Run a task in the running server now, and wait for its end.", "  policyd cron run daily");
        verb.Arguments.Add(task);
        verb.SetAction(async (result, cancellation) =>
        {
            var answer = await AskAsync("cron.run", new JsonObject { ["task"] = result.GetRequiredValue(task) }, result, cancellation);
            return Print(result, answer, CronReports.Default.CronRunReport, report =>
            {
                output.WriteLine(LogText.OneLine($"{report.Task}: {Result(report)}, {Took(report)}"));
                return report.Result == "done" ? ExitCode.Ok : ExitCode.Software;
            });
        });
        return verb;
    }

    private Command Verb(string name, string description, string examples)
    {
        var verb = new Command(name, description);
        PolicydCommandLine.AddAll(verb, _config, _json);
        PolicydCommandLine.AddHelp(verb, examples, "--help", "-h", "-?");
        return verb;
    }

    private async Task<JsonElement> AskAsync(string command, JsonObject arguments, ParseResult result, CancellationToken cancellationToken)
    {
        var configuration = LoadedConfiguration.Read(result.GetValue(_config));
        return await new AdminClient(configuration.EarlyOptions().Admin, configuration.Path).AskAsync(command, arguments, cancellationToken);
    }

    private int Print<T>(ParseResult result, JsonElement answer, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, Func<T, int> print)
    {
        try
        {
            var report = answer.Deserialize(type) ?? throw new JsonException();
            if (!result.GetValue(_json))
            {
                return print(report);
            }

            output.WriteLine(JsonSerializer.Serialize(answer, s_indented));
            return report is CronRunReport { Result: not "done" } ? ExitCode.Software : ExitCode.Ok;
        }
        catch (JsonException)
        {
            throw new CommandException(ExitCode.Protocol, "the server's answer is of another version than this command");
        }
    }

    private static Text[] Cells(params ReadOnlySpan<string> cells) => [.. cells.ToArray().Select(cell => new Text(LogText.OneLine(cell)))];

    private static string Time(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture) ?? "never";

    private static string Took(CronRunReport? run) => run?.Seconds is { } seconds ? seconds.ToString("0.000", CultureInfo.InvariantCulture) + " s" : "";

    private static string Result(CronRunReport? run) => run switch
    {
        null => "",
        { Result: "failed", Failures: 1 } => "failed: 1 plugin, see the log",
        { Result: "failed" } => $"failed: {run.Failures} plugins, see the log",
        _ => run.Result,
    };
}
