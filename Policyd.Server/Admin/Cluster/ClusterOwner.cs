using System.Text.Json.Nodes;
using Policyd.Plugins.Counters;
using Policyd.Server.Admin.Counters;

namespace Policyd.Server.Admin.Cluster;

/// <summary><c>cluster.owner</c>: which node counts a key.</summary>
internal sealed class ClusterOwner(ClusterAdmin admin, CounterAdmin counters) : IAdminCommand
{
    public string Name => "cluster.owner";

    public IReadOnlyList<string> Arguments { get; } = ["table", "db", "key"];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var inspection = await admin.InspectionAsync();
        var table = counters.Table(arguments.RequiredText("table"), arguments.Text("db"));
        var key = new CounterKey(table.Connection, table.Table, arguments.RequiredText("key"));
        var place = await inspection.PlaceAsync(key) ?? throw new AdminException(AdminError.NotFound, ClusterShards.NoShards);
        return ClusterReports.ToNode(
            new OwnerReport(table.Connection, table.Table, place.Key, place.Partition, place.Node, place.IsInMemory),
            ClusterReports.Default.OwnerReport);
    }
}
