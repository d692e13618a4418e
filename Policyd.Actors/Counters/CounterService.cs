using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Network;
using Policyd.Counting.Store;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Starts what counts: the writers and loaders of this node, and the owners of keys, under one partition on a server that is alone, and
/// under those that Cluster Sharding places in a cluster. Only for a configuration that has a counter table.
/// </summary>
internal sealed class CounterService
{
    // How long the ports wait for the tables.
    private static readonly TimeSpan s_startWaits = TimeSpan.FromSeconds(1);

    // For owners behind a load that nobody answers.
    private static readonly TimeSpan s_drainWhileAway = TimeSpan.FromSeconds(3);

    private readonly ActorSystem _system;
    private readonly CounterNode _node;
    private readonly IActorRef? _partitionOfAll;
    private readonly CounterConnections _starting;

    private CounterService(ActorSystem system, CounterNode node, IActorRef? partitionOfAll, CounterConnections starting)
    {
        (_system, _node, _partitionOfAll, _starting) = (system, node, partitionOfAll, starting);
        Counters = new OwnedCounters(node);
    }

    public OwnedCounters Counters { get; }

    /// <summary>
    /// Without one of these nothing is counted. A shard region is none of them: it ends with its membership, which says so itself.
    /// </summary>
    public IEnumerable<IActorRef> Actors =>
    [
        .. _node.Connections.SelectMany(static one => new[] { one.Writer, one.Loader }),
        .. _partitionOfAll is { } all ? new[] { all } : []
    ];

    /// <summary>The owners that live on this node.</summary>
    public LocalOwners Owners => _node.Owners;

    /// <inheritdoc cref="CounterNode.AskedFromAfar"/>
    public long AskedFromAfar => _node.AskedFromAfar;

    public CounterOperations Operations => new(Counters, _node);

    /// <summary>Where the keys of a cluster are. For a server that is alone this has no answer.</summary>
    public ShardInspection Shards => new(_system, _node);

    /// <summary>Completes when the tables have been looked at (or the database turned out to be away).</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="serving">The model of now: its tables, and where the spool is.</param>
    /// <param name="stores">The databases, by the names of their connections.</param>
    /// <param name="member">This node as a member of a cluster; null when it is none.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="logger">The log.</param>
    public static Task<CounterService> StartAsync(
        ActorSystem system,
        Func<PolicyServerModel> serving,
        IReadOnlyDictionary<string, ICounterStore> stores,
        ClusterNode? member,
        CounterSettings settings,
        ILogger logger)
    {
        var model = serving();
        var clock = model.Chains.Clock;
        return StartAsync(
            system,
            stores,
            model.CounterTables,
            clock,
            settings,
            logger,
            (connection, place) => new ConnectionSpool(
                place, connection, serving().Sql.Database(connection).Description, clock, logger),
            model.CounterTables.Count == 0 ? null : UsablePlace(model.Options.Spool, logger),
            member);
    }

    /// <summary>The same, from parts.</summary>
    public static async Task<CounterService> StartAsync(
        ActorSystem system,
        IReadOnlyDictionary<string, ICounterStore> stores,
        IReadOnlyList<CounterTableUse> tables,
        TimeProvider clock,
        CounterSettings settings,
        ILogger logger,
        Func<string, SpoolPlace, ConnectionSpool>? spoolOf = null,
        SpoolPlace? place = null,
        ClusterNode? member = null)
    {
        var clustered = AkkaNetwork.IsClustered(system);
        var starting = new CounterConnections(system, clock, logger)
        {
            SpoolOf = place is null || spoolOf is null ? null : name => spoolOf(name, place),
            Member = member,
            EveryClientWaits = settings.EveryClientWaits,
        };
        var started = stores.ToDictionary(one => one.Key, one => starting.Start(one.Key, one.Value, TablesOf(one.Key, tables)));
        var connections = started.ToDictionary(static one => one.Key, static one => one.Value.Connection);
        var node = new CounterNode(connections, settings, clock, clustered) { Cluster = member };
        system.ActorOf(PassivationActor.Props(node), "counter-idle-owners");
        var partition = default(IActorRef);
        if (clustered)
        {
            await CounterShards.StartAsync(system, node, logger).ConfigureAwait(false);
        }
        else
        {
            node.Partitions.EnterForAll(partition = system.ActorOf(CounterPartitionActor.Props(node), "counters"));
        }

        await WaitAsync(started.Values.Select(static one => one.Preparing)).ConfigureAwait(false);
        var service = new CounterService(system, node, partition, starting);
        starting.Gateway.Attach(service.Counters);
        return service;
    }

    /// <summary>Whether counters are in another database than that of the store, under the name of its connection.</summary>
    public bool IsElsewhere(string connection, ICounterStore store) =>
        _node.Find(connection) is { } found && !found.Store.IsOf(store);

    /// <summary>
    /// Counts in the tables of another configuration as well. Those of before go on, with what waits in their connections for the database.
    /// </summary>
    /// <param name="stores">The databases, by the names of their connections.</param>
    /// <param name="tables">The tables.</param>
    /// <returns>Actors without which nothing is counted.</returns>
    public async Task<IReadOnlyList<IActorRef>> AddAsync(
        IReadOnlyDictionary<string, ICounterStore> stores, IReadOnlyList<CounterTableUse> tables)
    {
        var actors = new List<IActorRef>();
        var preparing = new List<Task>();
        foreach (var (name, store) in stores)
        {
            if (_node.Find(name) is { } known)
            {
                preparing.Add(CounterConnections.Prepare(known.Store, TablesOf(name, tables)));
                continue;
            }

            var (connection, prepared) = _starting.Start(name, store, TablesOf(name, tables));
            _node.Add(name, connection);
            actors.AddRange([connection.Writer, connection.Loader]);
            preparing.Add(prepared);
        }

        await WaitAsync(preparing).ConfigureAwait(false);
        return actors;
    }

    /// <summary>The names of the connections in which it counts.</summary>
    public IReadOnlyCollection<string> ConnectionNames => _node.ConnectionNames;

    private static IReadOnlyCollection<string> TablesOf(string connection, IEnumerable<CounterTableUse> tables) =>
        [.. tables.Where(use => use.Connection == connection).Select(static use => use.Table).Distinct()];

    // Most databases have answered by then. One that has not holds up no port: who asks for a counter waits for its table.
    private static Task<Task> WaitAsync(IEnumerable<Task> preparing) => Task.WhenAny(Task.WhenAll(preparing), Task.Delay(s_startWaits));

    private static SpoolPlace? UsablePlace(SpoolOptions options, ILogger logger)
    {
        var place = SpoolPlace.Of(options);
        if (place?.Folder.WhyNotWritable() is { } reason)
        {
            SpoolLog.NotWritable(logger, place.Folder.Path, reason);
            return null;
        }

        return place;
    }

    /// <summary>
    /// Writes what is on its way, after the last request. Returns when it is written, the database has turned out to be away or the grace
    /// time is over; a writer says in the log what it could not. The owners of a cluster drain later, when their shards are handed over.
    /// </summary>
    public async Task FlushAsync(TimeSpan grace)
    {
        using var timeout = new CancellationTokenSource(grace);
        try
        {
            // What stands behind a load in its owner is an add to be written.
            foreach (var connection in _node.Connections)
            {
                connection.Loader.Tell(CounterWriterProtocol.EndLoads.Instance, ActorRefs.NoSender);
            }

            var draining = _partitionOfAll?.Ask<CounterProtocol.AllDrained>(CounterProtocol.DrainAll.Instance, timeout.Token)
                ?? Task.CompletedTask;
            if (!await FlushWritersAsync(timeout.Token).ConfigureAwait(false))
            {
                timeout.CancelAfter(s_drainWhileAway);
            }

            // Then what the owners held back behind a load as well.
            await draining.ConfigureAwait(false);
            await FlushWritersAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The writers log what they still hold when they are stopped.
        }
    }

    private async Task<bool> FlushWritersAsync(CancellationToken ct)
    {
        var flushed = await Task.WhenAll(_node.Connections.Select(
            connection => connection.Writer.Ask<CounterWriterProtocol.Flushed>(new CounterWriterProtocol.Flush(), ct)))
                .ConfigureAwait(false);
        return Array.TrueForAll(flushed, static one => one.Written);
    }
}
