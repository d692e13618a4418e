using System.Text.Json.Nodes;
using Policyd.Plugins.Counters;

namespace Policyd.Server.Admin.Counters;

/// <summary><c>counter.get</c>: what a key has counted and reserved, asked of its owner. A key that was never counted has zeros.</summary>
internal sealed class CounterGet(CounterAdmin admin) : IAdminCommand
{
    public string Name => "counter.get";

    public IReadOnlyList<string> Arguments { get; } = ["table", "db", "key", "window"];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var table = admin.Table(arguments.RequiredText("table"), arguments.Text("db"));
        var key = new CounterKey(table.Connection, table.Table, arguments.RequiredText("key"));
        var windows = new List<CounterWindowReport>();
        foreach (var chosen in admin.Windows(table, arguments.Text("window")))
        {
            var seen = await (await admin.CountersAsync()).InspectAsync(key, chosen.Window, ct);
            if (seen is not { State: CounterState.Known })
            {
                var deferred = await admin.DeferredAsync(table.Connection);
                throw CounterAdmin.Away(
                    table.Connection, $", and {key.Key} is not in memory{deferred?.Clause}", seen?.Reason ?? CounterReason.Database);
            }

            windows.Add(new CounterWindowReport(
                chosen.Report,
                SumsReport.Of(seen.Total),
                new ReservedReport(seen.Mails, SumsReport.Of(seen.Reserved)),
                CounterAdmin.Quotas(table, chosen, key.Key, seen.Total)));
        }

        var report = new GetReport(table.Connection, table.Table, key.Key, windows, await admin.DeferredAsync(table.Connection));
        return CounterReports.ToNode(report, CounterReports.Default.GetReport);
    }
}
