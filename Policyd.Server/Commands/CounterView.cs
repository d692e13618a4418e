// Counters as tables for people. Keys and names come from mail clients: each text is escaped before it reaches the terminal.

using System.Globalization;
using Policyd.Plugins.Counters;
using Policyd.Server.Admin.Counters;
using Policyd.Server.Logging;
using Spectre.Console;

namespace Policyd.Server.Commands;

internal sealed class CounterView(TextWriter output)
{
    private readonly IAnsiConsole _console = Terminal.Of(output);

    public void Write(GetReport report)
    {
        foreach (var window in report.Windows)
        {
            Title(report.Connection, report.Table, window.Window, report.Key);
            var table = NewTable("", [.. MetricNames.All], "used");
            table.AddRow(Row("counted", Cells(window.Sums), ""));
            table.AddRow(Row(window.Reserved.Mails switch { 0 => "reserved", 1 => "reserved by 1 mail", var mails => $"reserved by {mails} mails" }, Cells(window.Reserved.Sums), ""));
            foreach (var quota in window.Quotas)
            {
                table.AddRow(Row(NameOf(quota), MetricNames.All.Select(metric => metric == quota.Metric ? Threshold(quota) : ""), Percent(quota)));
            }

            _console.Write(table);
            Notes(window.Quotas);
        }
    }

    public void Write(ListReport report)
    {
        Title(report.Connection, report.Table, report.Window, null);
        var quotas = report.Quotas.Select(quota => $"{NameOf(quota)}\n{quota.Metric} {Threshold(quota)}");
        var table = NewTable("key", [.. MetricNames.All.Select(metric => metric == report.By ? metric + " ↓" : metric), .. quotas]);
        foreach (var row in report.Rows)
        {
            table.AddRow(Row(row.Key, [.. Cells(row.Sums), .. row.Quotas.Select(Percent)]));
        }

        _console.Write(table);
        if (report.Rows.Count == 0)
        {
            Line("nothing was counted in this window");
        }

        Notes(report.Quotas);
    }

    public void Write(SetReport report)
    {
        Title(report.Connection, report.Table, report.Window, report.Key);
        var table = NewTable("", [.. MetricNames.All]);
        table.AddRow(Row("before", Cells(report.Before)));
        table.AddRow(Row("after", Cells(report.After)));
        _console.Write(table);
    }

    private void Title(string connection, string table, WindowReport window, string? key) =>
        Line($"{table} ({connection}){(key is null ? "" : $", {key}")}, {(window.Rolling is null ? window.Name : $"the last {window.Rolling}")}");

    private void Notes(IReadOnlyList<QuotaReport> quotas)
    {
        foreach (var quota in quotas)
        {
            if (quota.ThresholdFromSession is { } key)
            {
                Line($"* {NameOf(quota)}: unless the mail's session has {key}");
            }
        }
    }

    private void Line(string text) => _console.Write(new Text(LogText.OneLine(text) + "\n"));

    private static Table NewTable(string first, string[] columns, params ReadOnlySpan<string> last)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn(Header(first)));
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(Header(column)).RightAligned().NoWrap());
        }

        foreach (var column in last)
        {
            table.AddColumn(new TableColumn(Header(column)).RightAligned().NoWrap());
        }

        return table;
    }

    private static Text Header(string text) => new(string.Join('\n', text.Split('\n').Select(LogText.OneLine)), new Style(decoration: Decoration.Bold));

    private static Text[] Row(string first, IEnumerable<string> cells, params ReadOnlySpan<string> last) =>
        [new Text(LogText.OneLine(first)), .. cells.Select(cell => new Text(cell)), .. last.ToArray().Select(cell => new Text(cell))];

    private static IEnumerable<string> Cells(SumsReport sums) =>
        Enumerable.Range(0, MetricNames.All.Count).Select(metric => sums.ToAmounts()[(CounterMetric)metric].ToString(CultureInfo.InvariantCulture));

    private static string NameOf(QuotaReport quota) => quota.Mode == "observe" ? $"{quota.Plugin} (observe)" : quota.Plugin;

    private static string Threshold(QuotaReport quota) =>
        quota.Threshold.ToString(CultureInfo.InvariantCulture) + (quota.ThresholdFromSession is null ? "" : "*");

    private static string Percent(QuotaReport quota) => quota.UsedPercent is { } used ? used.ToString("0.0", CultureInfo.InvariantCulture) + " %" : "";
}

/// <summary>Standard output as Spectre.Console writes it: bold and as wide as the screen on a terminal, plain and never wrapped elsewhere.</summary>
internal static class Terminal
{
    private const int Unwrapped = 10_000;

    public static IAnsiConsole Of(TextWriter output)
    {
        var isTerminal = !Console.IsOutputRedirected;
        var isPlain = !isTerminal
            || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            || Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb";
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isPlain ? AnsiSupport.No : AnsiSupport.Yes,
            ColorSystem = isPlain ? ColorSystemSupport.NoColors : ColorSystemSupport.Standard,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = isTerminal && Console.WindowWidth > 0 ? Console.WindowWidth : Unwrapped;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }
}
