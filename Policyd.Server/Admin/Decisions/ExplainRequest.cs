using System.Text;
using System.Text.Json.Nodes;
using Policyd.Actors.Server;
using Policyd.Engine.Explaining;
using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Server.Admin.Decisions;

/// <summary><c>explain</c>: what would become of a request now, by the running server's counters, sessions and caches.</summary>
internal sealed class ExplainRequest(IPolicyServerHandle server) : IAdminCommand
{
    public string Name => "explain";

    public IReadOnlyList<string> Arguments { get; } = ["request", "virtual_host"];

    // A chain may take as long as a request of a client.
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var started = await server.PartAsync(static server => server.Started.IsCompletedSuccessfully ? server : null);
        var model = started.Model;
        var bytes = Encoding.UTF8.GetBytes(arguments.RequiredText("request"));
        if (!PolicyRequestReader.TryRead(bytes, RequestLimits.Default, out var request, out var error))
        {
            throw new AdminException(AdminError.BadRequest, $"request: {error.Message}");
        }

        var named = arguments.Text("virtual_host");
        var host = Explanation.HostOf(model, request, named) ?? throw new AdminException(AdminError.Ambiguous, WhichHost(model, named));
        return DecisionReports.ToNode(ExplainReport.Of(await Explanation.OfAsync(model, host, request, ct)));
    }

    /// <summary>What to say when the virtual host is not known.</summary>
    /// <param name="model">The server.</param>
    /// <param name="named">The one that was asked for; null: none.</param>
    public static string WhichHost(PolicyServerModel model, string? named)
    {
        var known = string.Join(", ", model.VirtualHosts.Select(static host => host.Name));
        return named is null
            ? $"name the virtual host with --virtual-host: {known}"
            : $"--virtual-host: there is no virtual host \"{named}\"; found: {known}";
    }
}
