// Counters as tables for people. Keys and names come from mail clients: each text is escaped before it reaches the terminal.

using System.Globalization;
using Policyd.Modules;
using Policyd.Plugins.Counters;
using Policyd.Server.Admin.Counters;
using Policyd.Server.Logging;
using Spectre.Console;

namespace Policyd.Server.Commands;

internal sealed class CounterView(TextWriter output)
{
    // After the key and what is looked for: mails, then bytes, then what is multiplied by recipients.
    private static readonly Dictionary<string, int> s_ranks = new(StringComparer.Ordinal)
    {
        ["count"] = 2,
        ["size"] = 3,
        ["count_rcpt"] = 4,
        ["size_rcpt"] = 5
    };

    private readonly IAnsiConsole _console = Terminal.Of(output);

    public void Write(GetReport report)
    {
        foreach (var window in report.Windows)
        {
            Title(report.Connection, report.Table, window.Window, report.Key);
            var compared = window.Quotas.Select(quota => quota.Metric).ToHashSet(StringComparer.Ordinal);
            List<FittingColumn> columns = [
                new("", 0), .. Metrics(metric => compared.Contains(metric) ? 1 : s_ranks[metric]), new("used", 1, true)
            ];
            List<IReadOnlyList<string>> rows =
            [
                ["counted", .. Cells(window.Sums), ""],
                [
                    window.Reserved.Mails switch { 0 => "reserved", 1 => "reserved by 1 mail", var mails => $"reserved by {mails} mails" },
                    .. Cells(window.Reserved.Sums), ""
                ],
                .. window.Quotas.Select(quota => (IReadOnlyList<string>)[
                    NameOf(quota), .. MetricNames.All.Select(metric => metric == quota.Metric ? Limit(quota) : ""), Used(quota)
                ]),
            ];
            FittingTable.Write(_console, columns, rows);
            Notes(window.Quotas);
        }

        if (report.Deferred is { } deferred)
        {
            Line($"the database of {report.Connection} takes no counts{deferred.Clause}: {deferred.Reason}");
        }
    }

    public void Write(ListReport report)
    {
        Title(report.Connection, report.Table, report.Window, null);
        List<FittingColumn> columns =
        [
            new("key", 0),
            .. Metrics(metric => metric == report.By ? 0 : s_ranks[metric], metric => metric == report.By ? metric + " ↓" : metric),
            .. report.Quotas.Select(quota => new FittingColumn($"{NameOf(quota)}\n{quota.Metric} {Limit(quota)}", 1, true)),
        ];
        FittingTable.Write(
            _console,
            columns,
            [.. report.Rows.Select(row => (IReadOnlyList<string>)[row.Key, .. Cells(row.Sums), .. row.Quotas.Select(UsedOf)])]);
        if (report is { Rows.Count: 0, Limit: > 0 })
        {
            Line("no mail was counted in this window");
        }

        Notes(report.Quotas);
    }

    public void Write(SetReport report)
    {
        Title(report.Connection, report.Table, report.Window, report.Key);
        FittingTable.Write(
            _console,
            [new("", 0), .. Metrics(metric => s_ranks[metric])],
            [["before", .. Cells(report.Before)], ["after", .. Cells(report.After)]]);
    }

    private static IEnumerable<FittingColumn> Metrics(Func<string, int> rank, Func<string, string>? header = null) =>
        MetricNames.All.Select(metric => new FittingColumn(header?.Invoke(metric) ?? metric, rank(metric), true));

    private void Title(string connection, string table, WindowReport window, string? key) =>
        Line($"{table} ({connection}){(key is null ? "" : $", {key}")}, "
            + $"{(window.Rolling is null ? window.Name : $"the last {window.Rolling}")}");

    private void Notes(IReadOnlyList<QuotaReport> quotas)
    {
        foreach (var quota in quotas)
        {
            if (quota.ThresholdFromSession is { } key && quota.OwnThreshold is null)
            {
                Line($"* {NameOf(quota)}: unless the mail's session has {key}");
            }
        }
    }

    private void Line(string text) => _console.Write(new Text(LogText.OneLine(text) + "\n"));

    private static IEnumerable<string> Cells(SumsReport sums) =>
        Enumerable.Range(0, MetricNames.All.Count)
            .Select(metric => sums.ToAmounts()[(CounterMetric)metric].ToString(CultureInfo.InvariantCulture));

    private static string NameOf(QuotaReport quota) => quota.Mode == "observe" ? $"{quota.Plugin} (observe)" : quota.Plugin;

    private static string Limit(QuotaReport quota) =>
        quota.OwnThreshold is { } own ? "own: " + Number(own) : Number(quota.Threshold) + (quota.ThresholdFromSession is null ? "" : "*");

    private static string Used(QuotaReport quota) =>
        quota.UsedPercent is { } used ? used.ToString("0.0", CultureInfo.InvariantCulture) + " %" : "";

    // In a list the limit stands in the heading; a key with another one says so.
    private static string UsedOf(QuotaReport quota) =>
        quota.OwnThreshold is { } own ? $"{Used(quota)} of own {Number(own)}".TrimStart() : Used(quota);

    private static string Number(double threshold) => new QuotaLimit(threshold).ToString();
}

/// <summary>
/// Standard output as Spectre.Console writes it: bold and as wide as the screen on a terminal, plain and never wrapped elsewhere.
/// </summary>
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
