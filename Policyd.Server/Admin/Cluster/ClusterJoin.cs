using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Policyd.Server.Admin.Cluster;

/// <summary><c>cluster.join</c>: a node that is no member asks one to take it in.</summary>
internal sealed partial class ClusterJoin(ClusterAdmin admin, ILoggerFactory loggers) : IAdminCommand
{
    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    public string Name => "cluster.join";

    public IReadOnlyList<string> Arguments { get; } = ["address"];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var inspection = await admin.InspectionAsync();
        var address = arguments.RequiredText("address");
        if (inspection.Picture.Own is { } own)
        {
            throw new AdminException(
                AdminError.BadRequest,
                $"this node is already a member of a cluster of {inspection.Picture.Members.Count} (status {own.Status}); "
                    + "it can join another only after a restart");
        }

        if (inspection.IsOwn(address))
        {
            throw new AdminException(AdminError.BadRequest, $"{address} is the address of this node itself; name a member");
        }

        if (!inspection.TryJoin(address))
        {
            throw new AdminException(AdminError.BadRequest, $"\"{address}\" is not an address; expected HOST:PORT");
        }

        Joins(_logger, address, caller.Text);
        return ClusterReports.ToNode(new NodesReport([address]), ClusterReports.Default.NodesReport);
    }

    [LoggerMessage(
        EventId = 182, Level = LogLevel.Information, Message = "cluster: {Address} is asked to take this node in, as {Caller} has asked")]
    private static partial void Joins(ILogger logger, string address, string caller);
}
