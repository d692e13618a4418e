using System.Diagnostics;
using System.Text.Json.Nodes;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.Reloading;

namespace Policyd.Server.Admin.Health;

/// <summary>
/// <c>status</c>: whether the server is well. A database that is away makes it degraded and not unready: mail is answered, and what is
/// counted is kept for it.
/// </summary>
internal sealed class ServerStatus(IPolicyServerHandle server, Reloader reloader) : IAdminCommand
{
    private static readonly TimeSpan s_asking = TimeSpan.FromSeconds(2);

    public string Name => "status";

    public IReadOnlyList<string> Arguments { get; } = [];

    // Ten seconds for the start, and some for the questions.
    public TimeSpan Timeout => TimeSpan.FromSeconds(20);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        await server.PartAsync(static server => server.Started.IsCompletedSuccessfully ? server : null);
        var away = await AwayAsync();
        var (cluster, isMember) = await ClusterAsync(ct);
        var ready = !server.IsDraining && isMember;
        return ServerReports.ToNode(new ServerReport(
            server.IsDraining ? "stopping" : ready && away.Count == 0 ? "serving" : "degraded",
            ready,
            ServerVersion.Text,
            Process.GetCurrentProcess().StartTime,
            reloader.Path,
            reloader.LastReload?.ToLocalTime(),
            [.. server.Model.VirtualHosts.Select(static host => host.Name)],
            [.. server.Endpoints.Select(static endpoint => endpoint.ToString())],
            server.Connections,
            server.ConnectionsRefused,
            server.Requests,
            server.RequestsInFlight,
            away,
            cluster));
    }

    private async Task<IReadOnlyList<AwayDatabase>> AwayAsync() => server.Counters is not { } counters ? []
        :
        [
            .. from one in await counters.DeferredAsync(s_asking)
               where one.Counts.Mails > 0
               select new AwayDatabase(one.Connection, one.Counts.Mails, one.Counts.Spooled, one.Counts.Reason),
        ];

    private async Task<(string? State, bool IsMember)> ClusterAsync(CancellationToken ct)
    {
        if (server.Inspection is not { } inspection)
        {
            return (null, true);
        }

        var standing = await inspection.StandingAsync(ct);
        return (StatusReport.WordOf(standing.State), standing.IsWorking);
    }
}
