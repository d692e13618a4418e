using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Inspection;

namespace Policyd.Server.Admin.Cluster;

/// <summary>
/// <c>cluster.down</c>: a member is taken for lost. If it lives, it is fenced and begins anew. Not for this node: to leave is better.
/// </summary>
internal sealed class ClusterDown(ClusterAdmin admin, ILoggerFactory loggers) : IAdminCommand
{
    public string Name => "cluster.down";

    public IReadOnlyList<string> Arguments { get; } = ["node"];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var inspection = await admin.InspectionAsync();
        var picture = inspection.Picture;
        var member = ClusterAdmin.Member(picture, arguments.RequiredText("node"));
        if (member.Address == picture.Self)
        {
            throw new AdminException(
                AdminError.BadRequest,
                $"{member.HostAndPort} is this node; use \"policyd cluster leave\" to stop it, or run \"down\" on another node");
        }

        return DownedMembers.Down(inspection, [member], caller, loggers);
    }
}

/// <summary><c>cluster.down-unreachable</c>: every member that this node does not reach is taken for lost.</summary>
internal sealed class ClusterDownUnreachable(ClusterAdmin admin, ILoggerFactory loggers) : IAdminCommand
{
    public string Name => "cluster.down-unreachable";

    public IReadOnlyList<string> Arguments { get; } = [];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var inspection = await admin.InspectionAsync();
        var picture = inspection.Picture;
        return DownedMembers.Down(
            inspection,
            [.. picture.Members.Where(one => one.Counts && !one.IsReachable && one.Address != picture.Self)],
            caller,
            loggers);
    }
}

/// <summary>What both have in common.</summary>
internal static partial class DownedMembers
{
    public static JsonNode Down(
        ClusterInspection inspection, IReadOnlyList<ClusterMember> members, AdminCaller caller, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger("policyd");
        foreach (var member in members)
        {
            IsDowned(logger, member.Name, caller.Text);
            inspection.Down(member);
        }

        return ClusterReports.ToNode(
            new NodesReport([.. members.Select(static one => one.Address)]), ClusterReports.Default.NodesReport);
    }

    [LoggerMessage(EventId = 181, Level = LogLevel.Warning, Message = "cluster: {Member} is declared down, as {Caller} has asked")]
    private static partial void IsDowned(ILogger logger, string member, string caller);
}
