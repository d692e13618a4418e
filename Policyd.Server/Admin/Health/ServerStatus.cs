using System.Diagnostics;
using System.Text.Json.Nodes;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Server.Reloading;

namespace Policyd.Server.Admin.Health;

/// <summary><c>status</c>: whether the server is well, and by what it serves.</summary>
internal sealed class ServerStatus(IPolicyServerHandle server, ServerHealth health, Reloader reloader) : IAdminCommand
{
    public string Name => "status";

    public IReadOnlyList<string> Arguments { get; } = [];

    // Ten seconds for the start, and some for the questions.
    public TimeSpan Timeout => TimeSpan.FromSeconds(20);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        await server.PartAsync(static server => server.Started.IsCompletedSuccessfully ? server : null);
        var now = await health.AskAsync();
        return ServerReports.ToNode(new ServerReport(
            now.State,
            now.IsReady,
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
            now.Away,
            now.History,
            now.Cluster));
    }
}
