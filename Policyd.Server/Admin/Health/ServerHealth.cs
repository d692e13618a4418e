using Policyd.Actors.Server;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.History;

namespace Policyd.Server.Admin.Health;

/// <summary>How a server is, for <c>policyd status</c> and for <c>/readyz</c>.</summary>
/// <param name="State">starting, serving, degraded (it answers mail, but something that it needs is away) or stopping.</param>
/// <param name="IsReady">Whether it is to be sent mail: it listens, does not stop and, in a cluster, is a member.</param>
/// <param name="Away">Databases that take no counts.</param>
/// <param name="History">The database of the history, when it stores no decisions.</param>
/// <param name="Cluster">What the node is in its cluster; null for a server that is alone.</param>
internal sealed record HealthNow(string State, bool IsReady, IReadOnlyList<AwayDatabase> Away, AwayHistory? History, string? Cluster)
{
    /// <summary>What is missing, a line each.</summary>
    public IEnumerable<string> Missing =>
    [
        .. Away.Select(static one => $"database {one.Connection} takes no counts"),
        .. History is { } history ? [$"database {history.Connection} stores no decisions"] : Array.Empty<string>(),
    ];
}

/// <summary>
/// Asks the running server how it is. A database that is away makes it degraded and not unready: mail is answered, and what is counted is
/// kept for it. The same holds for the history of decisions, of which some wait and further ones are dropped.
/// </summary>
internal sealed class ServerHealth(IPolicyServerHandle server, DecisionHistory history)
{
    private static readonly TimeSpan s_asking = TimeSpan.FromSeconds(2);

    /// <summary>No database is asked, only what the server knows of it.</summary>
    public async Task<HealthNow> AskAsync()
    {
        if (!server.Started.IsCompletedSuccessfully)
        {
            return new HealthNow("starting", false, [], null, null);
        }

        var away = await AwayAsync();
        var unstored = history.Away is { } one ? new AwayHistory(one.Connection, history.Dropped, one.Reason) : null;
        var standing = server.Inspection?.Standing;
        var isReady = !server.IsDraining && standing?.IsWorking != false;
        return new HealthNow(
            server.IsDraining ? "stopping" : isReady && away.Count == 0 && unstored is null ? "serving" : "degraded",
            isReady,
            away,
            unstored,
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
