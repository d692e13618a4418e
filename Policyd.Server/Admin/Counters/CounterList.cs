using System.Text.Json.Nodes;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Server.Admin.Counters;

/// <summary>
/// <c>counter.list</c>: the largest counters of a window, from the table. What is on its way is written first, so that the list shows what
/// the owners know.
/// </summary>
internal sealed class CounterList(CounterAdmin admin) : IAdminCommand
{
    private const int MostRows = 10_000;
    private static readonly TimeSpan s_flush = TimeSpan.FromSeconds(5);

    public string Name => "counter.list";

    public IReadOnlyList<string> Arguments { get; } = ["table", "db", "window", "by", "limit"];

    /// <summary>A table of millions is read from end to end to be ordered.</summary>
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var table = admin.Table(arguments.RequiredText("table"), arguments.Text("db"));
        var window = admin.Window(table, arguments.Text("window"));
        var by = arguments.Text("by") ?? MetricNames.All[0];
        var metric = MetricNames.Parse(by)
            ?? throw new AdminException(
                AdminError.BadRequest, $"there is no metric \"{by}\"; available: {string.Join(", ", MetricNames.All)}");
        var limit = arguments.Number("limit", MostRows) ?? 20;
        if (!await (await admin.CountersAsync()).FlushAsync(table.Connection, s_flush))
        {
            var deferred = await admin.DeferredAsync(table.Connection);
            throw CounterAdmin.Away(table.Connection, $", or too slow to write the pending counts{deferred?.Clause}");
        }

        var rows = await ReadAsync(table.Connection, table.Table, window.Window.Range, metric, (int)limit, ct);
        var report = new ListReport(
            table.Connection,
            table.Table,
            window.Report,
            by,
            limit,
            CounterAdmin.Quotas(table, window),
            [.. rows.Select(
                row => new RowReport(row.Key, SumsReport.Of(row.Total), CounterAdmin.Quotas(table, window, row.Key, row.Total)))]);
        return CounterReports.ToNode(report, CounterReports.Default.ListReport);
    }

    private async Task<IReadOnlyList<CounterRow>> ReadAsync(
        string connection, string table, CounterTimeRange times, CounterMetric metric, int limit, CancellationToken ct)
    {
        try
        {
            return await admin.Store(connection).ListAsync(table, times, metric, limit, ct);
        }
        catch (CounterStoreException failure)
        {
            throw new AdminException(AdminError.Unavailable, failure.Message);
        }
    }
}
