using System.Text.Json.Nodes;

namespace Policyd.Server.Admin.Cluster;

/// <summary><c>cluster.show</c>: the members, as this node knows them. It asks no other node.</summary>
internal sealed class ClusterShow(ClusterAdmin admin) : IAdminCommand
{
    public string Name => "cluster.show";

    public IReadOnlyList<string> Arguments { get; } = [];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct) =>
        ClusterReports.ToNode(ShowReport.Of((await admin.InspectionAsync()).Picture), ClusterReports.Default.ShowReport);
}
