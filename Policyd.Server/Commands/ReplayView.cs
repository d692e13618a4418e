// What a replay has found, for people. Senders and actions come from mail: each text is escaped before it reaches the terminal.

using System.Globalization;
using Policyd.Server.Logging;
using Policyd.Server.Replaying;
using Spectre.Console;

namespace Policyd.Server.Commands;

internal sealed class ReplayView(TextWriter output, TextWriter error)
{
    private const string Nothing = "(none)";
    private readonly IAnsiConsole _console = Terminal.Of(output);

    public void Write(ReplayReport report)
    {
        Warn(report);
        Line($"requests: {Shown.Number(report.Requests)}{Period(report)}, in {Seconds(report.Seconds)}");
        if (report.Different == 0)
        {
            Line("no answer differs");
            return;
        }

        Line($"answers that differ: {Shown.Number(report.Different)}");
        FittingTable.Write(
            _console,
            [new("requests", 0, true), new("was", 0), new("is now", 0), new("rule before", 1), new("rule now", 1)],
            [
                .. report.Differences.Select(static one => (IReadOnlyList<string>)
                [
                    Shown.Number(one.Requests), one.Was.Action ?? Nothing, one.Now.Action ?? Nothing, one.Was.Rule ?? Nothing,
                    one.Now.Rule ?? Nothing,
                ]),
            ]);
        foreach (var difference in report.Differences)
        {
            WriteExample(difference.Examples[0]);
        }

        Line("");
        Line("senders of most of them:");
        FittingTable.Write(
            _console,
            [new("sender", 0), new("requests", 0, true)],
            [.. report.Senders.Select(static one => (IReadOnlyList<string>)[NameOf(one), Shown.Number(one.Requests)])]);
    }

    private static string NameOf(SenderReport sender) => sender.Sender.Length == 0 ? "<>" : sender.Sender;

    private void WriteExample(ExampleReport example)
    {
        Line("");
        Line(
            $"{Shown.Time(example.Time)} {example.ProtocolState} client_address={example.ClientAddress} sender={example.Sender} "
                + $"recipient={example.Recipient}");
        Line($"  was {Answer(example.Was)}");
        Line($"  now {Answer(example.Now)}");
    }

    private void Warn(ReplayReport report)
    {
        if (report.Incomplete is { } incomplete)
        {
            Tell($"{incomplete}; the requests before it were tried");
        }

        if (report.UnreadableLines > 0)
        {
            Tell($"lines that could not be read: {Shown.Number(report.UnreadableLines)}, the first: {report.FirstUnreadable}");
        }

        if (report.WithoutVirtualHost > 0)
        {
            Tell($"not tried, since their virtual host is not in the configuration: {Shown.Number(report.WithoutVirtualHost)}");
        }

        if (report.Failed > 0)
        {
            Tell($"requests in which something failed: {Shown.Number(report.Failed)}, the first: {report.FirstFailure}");
        }
    }

    private static string Answer(AnswerReport answer) =>
        $"{answer.Action ?? "no answer"}{(answer.Rule is { } rule ? $" (plugin {rule})" : "")}";

    private static string Period(ReplayReport report) =>
        report is { From: { } from, To: { } to } ? $", of {Shown.Time(from)} to {Shown.Time(to)}" : "";

    private static string Seconds(double seconds) => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";

    private void Line(string text) => _console.Write(new Text(LogText.OneLine(text) + "\n"));

    private void Tell(string text) => error.WriteLine(LogText.OneLine(text));
}
