using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Polling;
using Policyd.Actors.Sessions;
using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>What every connection of a server shares. Immutable but for its counters.</summary>
internal sealed class ServerContext : IDisposable
{
    private readonly IActorRef[] _routers;
    private readonly ServerMeter _meter;
    private int _nextRouter;

    public ServerContext(PolicyServerModel model, IActorRef[] routers, ILogger logger)
    {
        Model = model;
        Logger = logger;
        _routers = routers;
        Troubles = new ConnectionTroubles(logger);
        Room = OpenFiles.RoomFor(model);
        Connections = new ConnectionManager(model.Options.MaxConnections);
        _meter = new ServerMeter(Statistics, () => Connections.Count);
        RequestTimeout = Math.Max(1, (long)model.Options.RequestTimeout.TotalMilliseconds);
        KeepaliveTimeout = (long)model.Options.KeepaliveTimeout.TotalMilliseconds;
        MaxKeepalive = model.Options.MaxKeepalive;
        OnErrorAction = model.Options.OnError.Action;
        OnError = OnErrorAction is { } action ? PolicyReply.Encode(action) : null;
        Limits = new RequestLimits { MaxRequestBytes = (int)Math.Min(int.MaxValue, model.Options.MaxRequestBytes.Bytes) };
    }

    public PolicyServerModel Model { get; }

    public SocketPoll Poll { get; } = SocketPoll.Start();

    public ILogger Logger { get; }

    public ConnectionManager Connections { get; }

    public ServerStatistics Statistics { get; } = new();

    /// <summary>The log lines that strangers can cause.</summary>
    public ConnectionTroubles Troubles { get; }

    /// <summary>Connections that the limit of open files leaves room for; further ones wait to be accepted.</summary>
    public int Room { get; }

    public RequestLimits Limits { get; }

    /// <summary>Milliseconds.</summary>
    public long RequestTimeout { get; }

    /// <summary>Milliseconds; 0: an idle connection stays open.</summary>
    public long KeepaliveTimeout { get; }

    /// <summary>Requests of a connection; 0: any number.</summary>
    public int MaxKeepalive { get; }

    /// <summary>The global on_error action; null: close without one.</summary>
    public string? OnErrorAction { get; }

    /// <summary>The encoded global on_error answer; null: close without one.</summary>
    public byte[]? OnError { get; }

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
        _meter.Answered(request.VirtualHost.Name, outcome.Action, elapsed);
        Model.LogRequest(request.VirtualHost, request.Request, elapsed, outcome);
    }

    public void Dispose()
    {
        Poll.Dispose();
        Connections.Dispose();
        Troubles.Dispose();
        _meter.Dispose();
    }
}
