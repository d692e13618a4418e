using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Policyd.Server.Admin.Cluster;

/// <summary>
/// <c>cluster.leave</c>: this node hands over its keys, leaves the cluster, and its process ends with 0, as after SIGTERM. It begins once
/// the answer is written, since the endpoint is the first thing to be closed.
/// </summary>
internal sealed partial class ClusterLeave(ClusterAdmin admin, IHostApplicationLifetime life, ILoggerFactory loggers) : IAdminCommand
{
    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    public string Name => "cluster.leave";

    public IReadOnlyList<string> Arguments { get; } = [];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var self = (await admin.InspectionAsync()).Picture.Self;
        Leaves(_logger, caller.Text);
        return ClusterReports.ToNode(new NodesReport([self]), ClusterReports.Default.NodesReport);
    }

    public void OnAnswered() => life.StopApplication();

    [LoggerMessage(
        EventId = 180, Level = LogLevel.Information, Message = "cluster: this node leaves and the server stops, as {Caller} has asked")]
    private static partial void Leaves(ILogger logger, string caller);
}
