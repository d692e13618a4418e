using System.Text.Json.Nodes;

namespace Policyd.Server.Admin.Cluster;

/// <summary><c>cluster.status</c>: what this node is, and what it waits for.</summary>
internal sealed class ClusterStatus(ClusterAdmin admin) : IAdminCommand
{
    public string Name => "cluster.status";

    public IReadOnlyList<string> Arguments { get; } = [];

    // Five seconds for the start, and as many for the questions.
    public TimeSpan Timeout => TimeSpan.FromSeconds(15);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct) =>
        ClusterReports.ToNode(
            StatusReport.Of(await (await admin.InspectionAsync()).StandingAsync(ct)), ClusterReports.Default.StatusReport);
}
