using Policyd.Actors.Server;
using Policyd.Server.Admin.Cluster;

namespace Policyd.Server.Admin.Health;

/// <summary>How a server is, for <c>policyd status</c> and for <c>/readyz</c>.</summary>
/// <param name="State">starting, serving, degraded (it answers mail, but something that it needs is away) or stopping.</param>
/// <param name="IsReady">Whether it is to be sent mail: it listens, does not stop and, in a cluster, is a member.</param>
/// <param name="Away">Databases that take no counts.</param>
/// <param name="Cluster">What the node is in its cluster; null for a server that is alone.</param>
internal sealed record HealthNow(string State, bool IsReady, IReadOnlyList<AwayDatabase> Away, string? Cluster);

/// <summary>
/// Asks the running server how it is. A database that is away makes it degraded and not unready: mail is answered, and what is counted is
/// kept for it.
/// </summary>
internal sealed class ServerHealth(IPolicyServerHandle server)
{
    private static readonly TimeSpan s_asking = TimeSpan.FromSeconds(2);

    /// <summary>No database is asked, only what the server knows of it.</summary>
    public async Task<HealthNow> AskAsync()
    {
        if (!server.Started.IsCompletedSuccessfully)
        {
            return new HealthNow("starting", false, [], null);
        }

        var away = await AwayAsync();
        var standing = server.Inspection?.Standing;
        var isReady = !server.IsDraining && standing?.IsWorking != false;
        return new HealthNow(
            server.IsDraining ? "stopping" : isReady && away.Count == 0 ? "serving" : "degraded",
            isReady,
            away,
            standing is null ? null : StatusReport.WordOf(standing.State));
    }

    private async Task<IReadOnlyList<AwayDatabase>> AwayAsync() => server.Counters is not { } counters ? []
        :
        [
            .. from one in await counters.DeferredAsync(s_asking)
               where one.Counts.Mails > 0
               select new AwayDatabase(one.Connection, one.Counts.Mails, one.Counts.Spooled, one.Counts.Reason),
        ];
}
