using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Configuration;
using Akka.Streams;
using Akka.Streams.Dsl;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Connections;
using Policyd.Actors.Counters;
using Policyd.Actors.Cron;
using Policyd.Actors.Dispatching;
using Policyd.Actors.Inspection;
using Policyd.Actors.Listeners;
using Policyd.Actors.Network;
using Policyd.Actors.Sessions;
using Policyd.Counting.Store;
using Policyd.Engine.Clustering;
using Policyd.Engine.Following;
using Policyd.Engine.Life;
using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Actors.Server;

/// <summary>The routers, the listeners and their streams, from bind to drain.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The token source has no timer, and the server ends with its process.")]
internal sealed class PolicyServer : IPolicyServerHandle
{
    // Beyond the time of its requests, what a model has is used by plugins that were given up and still run.
    private static readonly TimeSpan s_afterRequests = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stopping = new();

    // The former models that still have something to end, and what hurries them.
    private readonly HashSet<Task> _ends = [];
    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile PolicyServerModel _model;
    private ActorSystem? _system;
    private ILogger? _logger;
    private RequestRunner? _runner;
    private RouterSettings? _routing;
    private ServerContext? _context;
    private CounterService? _counters;
    private CronScheduler? _cronScheduler;
    private ActorMaterializer? _materializer;
    private volatile PolicyListener[] _listeners = [];
    private Task? _drain;
    private Task? _pluginsEnd;
    private volatile bool _draining;

    public PolicyServer(PolicyServerModel model)
    {
        _model = model;
        _ = _started.Task.ContinueWith(static task => task.Exception, TaskScheduler.Default);   // observed: not every host waits
    }

    public PolicyServerModel Model => _model;

    public Task Started => _started.Task;

    public IReadOnlyList<PolicyEndpoint> Endpoints => [.. _listeners.Select(static listener => listener.Bound)];

    public DecisionListeners Decisions { get; } = new();

    public int Connections => _context?.Connections.Count ?? 0;

    public long Requests => _context?.Statistics.Requests ?? 0;

    public long RequestsInFlight => _context?.Statistics.InFlight ?? 0;

    public long ConnectionsRefused => _context?.Statistics.RefusedConnections ?? 0;

    public long MalformedRequests => _context?.Statistics.MalformedRequests ?? 0;

    public long TimedOutRequests => _context?.Statistics.TimeOuts ?? 0;

    public int CounterOwners => _counters?.Owners.Count ?? 0;

    public long CounterOperationsFromAfar => _counters?.AskedFromAfar ?? 0;

    public ClusterInspection? Inspection { get; private set; }

    public CounterOperations? Counters => _counters?.Operations;

    public string? UnexpectedEnd => _system is { } system ? Server.UnexpectedEnd.ReasonOf(system) : null;

    public bool ComesBack => _model.Options.Cluster is not null && _system is { } system && Server.UnexpectedEnd.ComesBack(system);

    public bool IsDraining => _draining;

    /// <summary>Binds every listener before any accepts: a server that starts serves all of its configuration.</summary>
    /// <exception cref="ListenException">One cannot be bound; the others are released.</exception>
    public async Task BindAsync()
    {
        if (_listeners.Length > 0)
        {
            return;
        }

        try
        {
            _listeners = await BindAsync(_model.Listeners).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _started.TrySetException(e);
            throw;
        }
    }

    /// <summary>Accepts; what connected since the bind has waited in the backlog.</summary>
    public async Task StartAsync(ActorSystem system, ILoggerFactory loggers)
    {
        _system = system;
        await BindAsync().ConfigureAwait(false);
        try
        {
            var logger = _logger = loggers.CreateLogger("Policyd.Server");
            await StartCountersAsync(system, logger).ConfigureAwait(false);
            await _model.StartPluginsAsync(null, _stopping.Token).ConfigureAwait(false);
            var routers = StartRouters(system, logger);
            Server.UnexpectedEnd.Watch(system, logger, [.. routers, .. _counters?.Actors ?? []]);
            var context = new ServerContext(_model, routers, Decisions, logger);
            system.RegisterOnTermination(context.Poll.Dispose);
            var materializer = ActorMaterializer.Create(
                system, ActorMaterializerSettings.Create(system).WithDispatcher(RequestPathDispatcher.Connections));
            (_context, _materializer) = (context, materializer);
            Array.ForEach(_listeners, Accept);
            foreach (var address in InheritedSockets.OfProcess.Unused())
            {
                ConnectionLog.NotAccepting(logger, address);
            }

            if (RunsCron)
            {
                _cronScheduler = CronScheduler.Start(system, () => _model, AkkaNetwork.IsClustered(system), logger);
            }

            _started.TrySetResult();
        }
        catch (Exception e)
        {
            await EndPluginsAsync().ConfigureAwait(false);
            _started.TrySetException(e);
            throw;
        }
    }

    /// <summary>What makes the server a node of a cluster; null when its configuration has no such section.</summary>
    public ClusterOptions? Cluster => _model.Options.Cluster;

    /// <summary>Whether the server runs the periodic tasks itself.</summary>
    public bool RunsCron => _model.Cron.Runs;

    /// <summary>What an actor system needs to run them.</summary>
    public Config CronSettings => CronScheduler.AkkaSettings(_model);

    public CronScheduler? Cron => _cronScheduler;

    /// <summary>Whether the server counts itself: it has counter tables, and was given no counters.</summary>
    public bool Counts => _model.CounterTables.Count > 0 && _model.CounterGateway is not null;

    /// <summary>Writes the counts that are on their way, after the last request is answered.</summary>
    public Task FlushAsync(TimeSpan grace) => _counters?.FlushAsync(grace) ?? Task.CompletedTask;

    /// <summary>
    /// Ends the plugins, after the last request is answered and counted; those as well that a reload has dropped a moment ago.
    /// </summary>
    public Task EndPluginsAsync()
    {
        _ending.TrySetResult();
        lock (_lock)
        {
            return _pluginsEnd ??= Task.WhenAll([_model.EndPluginsAsync(), .. _ends]);
        }
    }

    public Task DrainAsync(TimeSpan grace)
    {
        _ = _stopping.CancelAsync();   // a plugin that starts may have asked to be told, and blocks whoever tells it
        lock (_lock)
        {
            _draining = true;
            return _drain ??= DrainOnceAsync(grace);
        }
    }

    public async Task ProbeAsync(TimeSpan timeout)
    {
        await Started.WaitAsync(timeout).ConfigureAwait(false);
        await Probe.SendAsync(_context!, timeout).ConfigureAwait(false);
    }

    public async Task ReloadAsync(PolicyServerModel model)
    {
        var former = _model;
        var bound = await PrepareAsync(former, model).ConfigureAwait(false);
        _model = model;
        if (model.CounterTables.Count > 0)
        {
            await CountAsync(model).ConfigureAwait(false);
        }

        _runner!.Use(model.Sessions);
        _routing!.StuckAfter = 2 * (long)model.Options.RequestTimeout.TotalMilliseconds;
        _context!.Serve(model);
        var gone = Array.FindAll(_listeners, listener => !model.Listeners.Contains(listener.Configured));
        _listeners = [.. _listeners.Except(gone), .. bound];
        Array.ForEach(bound, Accept);
        foreach (var listener in gone)
        {
            listener.Dispose();
            ConnectionLog.NoLongerListening(_logger!, listener.Bound);
        }

        _context.Connections.Drain([.. gone.Select(static listener => listener.Configured)]);
        _cronScheduler?.Reload();
        await model.EndUnusedAsync().ConfigureAwait(false);
        EndInTime(former, model);
    }

    /// <summary>What can fail, before anything is changed: plugins that start, and the listeners that are to be bound.</summary>
    private async Task<PolicyListener[]> PrepareAsync(PolicyServerModel former, PolicyServerModel next)
    {
        // Its ports may be open before all of it has started.
        await Started.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_context is null || IsDraining)
        {
            throw new ServerStopsException();
        }

        foreach (var (name, store) in next.CounterStores)
        {
            var isNew = _counters?.ConnectionNames.Contains(name) != true;
            if (Cluster is not null ? isNew || !next.SharesConnection(name, former) : _counters?.IsElsewhere(name, store) == true)
            {
                var what = isNew ? "does not count in it yet" : "counts in it";
                throw new ReloadException($"connections.{name}", $"the server {what}; this change needs a restart");
            }
        }

        try
        {
            await next.StartPluginsAsync(former, _stopping.Token).ConfigureAwait(false);
            return await BindAsync(
                [.. next.Listeners.Where(endpoint => !_listeners.Any(listener => listener.Configured == endpoint))]).ConfigureAwait(false);
        }
        catch (ListenException e)
        {
            throw new ReloadException("listen", e.Message, e);
        }
        catch (PluginStartException e)
        {
            throw new ReloadException("virtual_hosts", e.Message, e);
        }
        catch (OperationCanceledException e) when (_stopping.IsCancellationRequested)
        {
            throw new ServerStopsException(e);
        }
    }

    private async Task CountAsync(PolicyServerModel next)
    {
        if (_counters is null)
        {
            await StartCountersAsync(_system!, _logger!).ConfigureAwait(false);
            Server.UnexpectedEnd.Watch(_system!, _logger!, _counters!.Actors);
            return;
        }

        // In a cluster there are no new connections, and the stores of this life of the member go on.
        var added = await _counters.AddAsync(
            Cluster is null ? next.CounterStores : _counters.ConnectionNames.ToDictionary(static name => name, next.Sql.CounterStore),
            next.CounterTables).ConfigureAwait(false);
        Server.UnexpectedEnd.Watch(_system!, _logger!, added);
    }

    private void EndInTime(PolicyServerModel former, PolicyServerModel next)
    {
        lock (_lock)
        {
            _ends.RemoveWhere(static end => end.IsCompleted);
            _ends.Add(EndAsync(former, next));
        }
    }

    /// <summary>Once no request is answered by the former model any more, what only that one had is given back.</summary>
    private async Task EndAsync(PolicyServerModel former, PolicyServerModel next)
    {
        await Task.WhenAny(Task.Delay(former.Options.RequestTimeout + s_afterRequests), _ending.Task, _system!.WhenTerminated)
            .ConfigureAwait(false);
        await former.EndAllButAsync(next, _counters?.ConnectionNames ?? []).ConfigureAwait(false);
    }

    private void Accept(PolicyListener listener)
    {
        var (context, materializer) = (_context!, _materializer!);
        var accepting = Source.FromGraph(new AcceptStage(listener, context))
            .ToMaterialized(Sink.ForEach<AcceptedConnection>(connection => connection.Serve(context, materializer)), Keep.Right)
            .Run(materializer);
        _ = EndWithAsync(accepting, listener);
        ConnectionLog.Listening(_logger!, listener.Bound);
    }

    private async Task StartCountersAsync(ActorSystem system, ILogger logger)
    {
        var stores = Counts ? _model.CounterStores : new Dictionary<string, ICounterStore>();
        var node = Cluster is { } cluster ? ClusterStart.Node(system, cluster, stores.Values) : null;
        if (Counts)
        {
            var settings = new CounterSettings { EveryClientWaits = EveryClientWaits };
            _counters = await CounterService.StartAsync(system, () => _model, stores, node, settings, logger).ConfigureAwait(false);
            _model.CounterGateway!.Attach(_counters.Counters);
        }

        // After the counters: a member is asked at once to store where shards are, and the others wait for it. Not waited for: mail that
        // asks for no counter is answered at once, and what asks for one waits as long as its plugin says.
        if (AkkaNetwork.IsClustered(system))
        {
            Inspection = ClusterStart.Begin(system, _model, node, _counters, logger);
        }
    }

    // A connection has one request in flight. A node that no client asks counts for other nodes, whose clients it does not know.
    private bool EveryClientWaits() => Connections is > 0 and var clients && RequestsInFlight >= clients;

    private static async Task<PolicyListener[]> BindAsync(IReadOnlyList<PolicyEndpoint> endpoints)
    {
        var bound = new List<PolicyListener>();
        try
        {
            foreach (var endpoint in endpoints)
            {
                bound.Add(await PolicyListener.BindAsync(endpoint, CancellationToken.None).ConfigureAwait(false));
            }
        }
        catch
        {
            bound.ForEach(static listener => listener.Dispose());
            throw;
        }

        return [.. bound];
    }

    private async Task EndWithAsync(Task accepting, PolicyListener listener)
    {
        await accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!IsDraining && _listeners.Contains(listener) && _system is { WhenTerminated.IsCompleted: false } system)
        {
            Server.UnexpectedEnd.Begin(
                system,
                _logger!,
                $"{listener.Bound} no longer accepts connections ({accepting.Exception?.InnerException?.Message ?? "it was closed"})");
        }
    }

    private IActorRef[] StartRouters(ActorSystem system, ILogger logger)
    {
        _runner = new RequestRunner(_model.Sessions, logger);
        _routing = new RouterSettings(keepQuiet: 256, 2 * _model.Options.RequestTimeout)
        {
            SessionDispatcher = RequestPathDispatcher.Sessions,
        };
        var router = InstanceRouterActor.Props(_runner, _routing, logger).WithDispatcher(RequestPathDispatcher.Connections);
        return [.. Enumerable.Range(0, Math.Max(2, Environment.ProcessorCount))
            .Select(index => system.ActorOf(router, $"instances-{index}"))];
    }

    private async Task DrainOnceAsync(TimeSpan grace)
    {
        // A drain may be asked for while the listeners are being bound.
        await Started.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }

        if (_context is not { } context)
        {
            return;
        }

        ConnectionLog.Draining(context.Logger, context.Connections.Count, context.Statistics.InFlight);
        try
        {
            await context.Connections.DrainAsync().WaitAsync(grace).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            ConnectionLog.CutOff(context.Logger, context.Connections.Count, grace.TotalSeconds);
        }

        _materializer!.Shutdown();
        context.Dispose();
    }
}
