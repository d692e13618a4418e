using System.Text.Json.Nodes;

namespace Policyd.Server.Admin.Cluster;

/// <summary><c>cluster.shards</c>: which parts of the keys are on which node.</summary>
internal sealed class ClusterShards(ClusterAdmin admin) : IAdminCommand
{
    /// <summary>For a cluster in which nothing is counted.</summary>
    public const string NoShards = "no plugin in this server's configuration counts, so there are no shards";

    public string Name => "cluster.shards";

    public IReadOnlyList<string> Arguments { get; } = [];

    public TimeSpan Timeout => TimeSpan.FromSeconds(15);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct) =>
        await (await admin.InspectionAsync()).ShardsAsync() is { } seen
            ? ClusterReports.ToNode(ShardsReport.Of(seen), ClusterReports.Default.ShardsReport)
            : throw new AdminException(AdminError.NotFound, NoShards);
}
