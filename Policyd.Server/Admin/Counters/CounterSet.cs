using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;

namespace Policyd.Server.Admin.Counters;

/// <summary>
/// <c>counter.set</c>: some sums of a counter become what the operator says, through the key's owner; the log tells who did it.
/// </summary>
internal sealed partial class CounterSet(CounterAdmin admin, ILoggerFactory loggers) : IAdminCommand
{
    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    public string Name => "counter.set";

    public IReadOnlyList<string> Arguments { get; } = ["table", "db", "key", "window", .. MetricNames.All];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var table = admin.Table(arguments.RequiredText("table"), arguments.Text("db"));
        var key = new CounterKey(table.Connection, table.Table, arguments.RequiredText("key"));
        var window = admin.Window(table, arguments.Text("window"));
        var (amounts, which) = Sums(arguments);
        var since = TimeProvider.System.GetTimestamp();
        var changed = await (await admin.CountersAsync()).SetAsync(key, window.Window, amounts, which, ct);
        switch (changed?.State)
        {
            case null:
                throw CounterAdmin.Away(
                    table.Connection, $" or slow: it {Waited.TimedOut(TimeProvider.System, since)}, and the change may still be made");
            case CounterState.Unavailable:
                throw CounterAdmin.Away(table.Connection, "; nothing was changed", changed.Reason);
            case CounterState.Deferred:
                Set(
                    _logger,
                    caller.Text,
                    table.Table,
                    key.Key,
                    window.Report.Name,
                    Text(changed.Before),
                    "to be written when the database is back");
                throw CounterAdmin.Away(
                    table.Connection, "; the change is kept and written when the database is back, unless the server stops before");
            default:
                Set(_logger, caller.Text, table.Table, key.Key, window.Report.Name, Text(changed.Before), Text(changed.After));
                var report = new SetReport(
                    table.Connection, table.Table, key.Key, window.Report, SumsReport.Of(changed.Before), SumsReport.Of(changed.After));
                return CounterReports.ToNode(report, CounterReports.Default.SetReport);
        }
    }

    private static (CounterAmounts Amounts, CounterSums Which) Sums(AdminArguments arguments)
    {
        var which = CounterSums.None;
        var values = new long[MetricNames.All.Count];
        for (var metric = 0; metric < values.Length; metric++)
        {
            if (arguments.Number(MetricNames.All[metric]) is { } value)
            {
                values[metric] = value;
                which |= CounterSumsExtensions.Of((CounterMetric)metric);
            }
        }

        return which == CounterSums.None
            ? throw new AdminException(AdminError.BadRequest, $"name at least one value to set: {string.Join(", ", MetricNames.All)}")
            : (new CounterAmounts(values[0], values[1], values[2], values[3]), which);
    }

    private static string Text(CounterAmounts sums) =>
        string.Create(
            CultureInfo.InvariantCulture, $"count={sums.Count} count_rcpt={sums.CountRcpt} size={sums.Size} size_rcpt={sums.SizeRcpt}");

    [LoggerMessage(
        EventId = 6, Level = LogLevel.Information, Message = "admin: {Caller} set {Table} {Key} of {Window}: {Before} -> {After}")]
    private static partial void Set(ILogger logger, string caller, string table, string key, string window, string before, string after);
}
