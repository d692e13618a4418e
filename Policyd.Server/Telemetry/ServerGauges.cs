using System.Diagnostics.Metrics;
using Policyd.Actors.Counters;
using Policyd.Actors.Inspection;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Metrics;
using Policyd.Server.History;
using Policyd.Server.Logging;

namespace Policyd.Server.Telemetry;

/// <summary>What is read of the running server when somebody collects metrics, and costs nothing before.</summary>
internal sealed class ServerGauges : IDisposable
{
    // Answered at once by an actor, unless it is busy with a commit.
    private static readonly TimeSpan s_asking = TimeSpan.FromMilliseconds(500);

    private readonly Meter _meter = new(PolicydMeter.Name);

    public ServerGauges(IPolicyServerHandle server, DecisionHistory history, LogQueue log)
    {
        Requests(server);
        Counters(server);
        Sessions(server);
        Cluster(server);
        Process();
        Total("policyd.decisions.stored", "{decision}", "Decisions that were written to the history.", () => history.Stored);
        Total(
            "policyd.decisions.dropped",
            "{decision}",
            "Decisions that are not in the history, because its database could not keep up or was away.",
            () => history.Dropped);
        Total("policyd.log.dropped", "{line}", "Lines of the log that were dropped because it could not keep up.", () => log.Dropped);
        _meter.CreateObservableGauge(
            "policyd.build.info",
            static () => new Measurement<int>(1, new KeyValuePair<string, object?>("version", ServerVersion.Text)),
            description: "Always 1; the version is a label.");
    }

    public void Dispose() => _meter.Dispose();

    private void Requests(IPolicyServerHandle server)
    {
        Now("policyd.requests.active", "{request}", "Requests without an answer yet.", () => server.RequestsInFlight);
        Total("policyd.requests.malformed", "{request}", "Malformed requests.", () => server.MalformedRequests);
        Total("policyd.requests.timeouts", "{request}", "Requests that timed out.", () => server.TimedOutRequests);
        Now("policyd.connections", "{connection}", "Open connections of clients.", () => server.Connections);
        Now("policyd.connections.limit", "{connection}", "How many there may be.", () => server.Model.Options.MaxConnections);
        Total(
            "policyd.connections.refused",
            "{connection}",
            "Connections refused because max_connections was reached.",
            () => server.ConnectionsRefused);
    }

    private void Counters(IPolicyServerHandle server)
    {
        Now("policyd.counters.owners", "{key}", "Keys of counters in the memory of this process.", () => server.CounterOwners);
        Each("policyd.counters.waiting", "Mails that wait for a database to be counted, by connection.", static one => one.Mails);
        Each("policyd.counters.spool.waiting", "Those of them that are in the spool.", static one => one.Spooled);

        void Each(string name, string description, Func<DeferredCounts, long> value) => _meter.CreateObservableUpDownCounter(
            name,
            () => Waiting(server).Select(one => new Measurement<long>(
                value(one.Counts), new KeyValuePair<string, object?>("connection", one.Connection))),
            "{mail}",
            description);
    }

    private void Sessions(IPolicyServerHandle server)
    {
        Now("policyd.sessions", "{session}", "Sessions in memory.", () => InMemory(server)?.Count ?? 0);
        Now("policyd.sessions.memory", "By", "The memory of these sessions.", () => InMemory(server)?.Bytes ?? 0);
    }

    private void Cluster(IPolicyServerHandle server)
    {
        Member("policyd.cluster.members", "{node}", "Members of the cluster, as this node knows it.", static now => now.Picture.Counted);
        Member(
            "policyd.cluster.unreachable",
            "{node}",
            "Members that this node does not reach.",
            static now => now.Picture.Counted - now.Picture.Reached);
        Member("policyd.cluster.working", null, "1: this node is a member whose counters answer.", static now => now.IsWorking ? 1 : 0);
        Member(
            "policyd.cluster.fenced",
            null,
            "1: the others have taken over this node's counters, and its commits are refused.",
            static now => now.FencedSince is null ? 0 : 1);

        void Member(string name, string? unit, string description, Func<NodeStanding, int> value) => _meter.CreateObservableGauge(
            name,
            () => server.Inspection is { } inspection
                ? [new Measurement<int>(value(inspection.Standing))]
                : Array.Empty<Measurement<int>>(),
            unit,
            description);
    }

    private void Process()
    {
        _meter.CreateObservableCounter(
            "policyd.process.cpu.time",
            static () => Environment.CpuUsage.TotalTime.TotalSeconds,
            "s",
            "Processor time of the process.");
        Now("policyd.process.memory", "By", "Physical memory of the process.", static () => Environment.WorkingSet);
        _meter.CreateObservableCounter(
            "policyd.process.gc.pause",
            static () => GC.GetTotalPauseDuration().TotalSeconds,
            "s",
            "The time for which garbage collections have stopped the process.");
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        var started = process.StartTime;
        _meter.CreateObservableGauge(
            "policyd.process.uptime", () => (DateTime.Now - started).TotalSeconds, "s", "The time since the start of the process.");
    }

    private void Total(string name, string unit, string description, Func<long> value) =>
        _meter.CreateObservableCounter(name, value, unit, description);

    private void Now(string name, string unit, string description, Func<long> value) =>
        _meter.CreateObservableUpDownCounter(name, value, unit, description);

    private static MemorySessionStore? InMemory(IPolicyServerHandle server) => server.Model.Sessions as MemorySessionStore;

    // Collected by a thread that answers no mail.
    private static IReadOnlyList<(string Connection, DeferredCounts Counts)> Waiting(IPolicyServerHandle server) =>
        server.Counters is { } counters ? counters.DeferredAsync(s_asking).GetAwaiter().GetResult() : [];
}
