using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Polling;
using Policyd.Actors.Sessions;
using Policyd.Engine.Following;
using Policyd.Engine.Model;

namespace Policyd.Actors.Connections;

/// <summary>What every connection of a server shares: what a reload changes is in <see cref="Serving"/>.</summary>
internal sealed class ServerContext : IDisposable
{
    private readonly IActorRef[] _routers;
    private volatile ServingModel _serving;
    private int _nextRouter;

    public ServerContext(PolicyServerModel model, IActorRef[] routers, DecisionListeners decisions, ILogger logger)
    {
        Decisions = decisions;
        _serving = new ServingModel(model);
        Logger = logger;
        _routers = routers;
        Troubles = new ConnectionTroubles(logger);
        Connections = new ConnectionManager(model.Options.MaxConnections);
    }

    /// <summary>The model that the next request is answered by.</summary>
    public ServingModel Serving => _serving;

    public SocketPoll Poll { get; } = SocketPoll.Start();

    public ILogger Logger { get; }

    public ConnectionManager Connections { get; }

    /// <summary>Who is told of each request.</summary>
    public DecisionListeners Decisions { get; }

    public ServerStatistics Statistics { get; } = new();

    /// <summary>The log lines that strangers can cause.</summary>
    public ConnectionTroubles Troubles { get; }

    /// <summary>The next requests are answered by another model; those that are under way end as they began.</summary>
    public void Serve(PolicyServerModel next)
    {
        Connections.Maximum = next.Options.MaxConnections;
        _serving = new ServingModel(next);
    }

    /// <summary>The router that owns the instance. Requests without one are spread evenly: they share nothing.</summary>
    public IActorRef RouterOf(string instance)
    {
        var hash = instance.Length == 0 ? Interlocked.Increment(ref _nextRouter) : string.GetHashCode(instance, StringComparison.Ordinal);
        return _routers[(uint)hash % (uint)_routers.Length];
    }

    /// <summary>The line and the figures of a request that its session completed.</summary>
    public void Report(PendingRequest request, TimeSpan elapsed)
    {
        var outcome = request.Outcome;
        _serving.Model.Report(request.VirtualHost, request.Request, elapsed, outcome, Decisions, request.Recorder);
    }

    public void Dispose()
    {
        Poll.Dispose();
        Connections.Dispose();
        Troubles.Dispose();
    }
}
