using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Dispatching;
using Policyd.Actors.Network;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Starts what counts: the writers and loaders of this node, and the owners of keys, under one partition on a server that is alone, and
/// under those that Cluster Sharding places in a cluster. Only for a configuration that has a counter table.
/// </summary>
internal sealed class CounterService
{
    // How long the tables have until they are told to be missing, and how long the ports wait for them.
    private static readonly TimeSpan s_tablesTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_startWaits = TimeSpan.FromSeconds(1);

    // For owners behind a load that nobody answers.
    private static readonly TimeSpan s_drainWhileAway = TimeSpan.FromSeconds(3);

    private readonly ActorSystem _system;
    private readonly CounterNode _node;
    private readonly IActorRef? _partitionOfAll;

    private CounterService(ActorSystem system, CounterNode node, IActorRef? partitionOfAll)
    {
        (_system, _node, _partitionOfAll) = (system, node, partitionOfAll);
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

    public CounterOperations Operations => new(Counters, _node);

    /// <summary>Where the keys of a cluster are. For a server that is alone this has no answer.</summary>
    public ShardInspection Shards => new(_system, _node);

    /// <summary>Completes when the tables have been looked at (or the database turned out to be away).</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="model">The tables, and where the spool is.</param>
    /// <param name="stores">The databases, by the names of their connections.</param>
    /// <param name="member">This node as a member of a cluster; null when it is none.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="logger">The log.</param>
    public static Task<CounterService> StartAsync(
        ActorSystem system,
        PolicyServerModel model,
        IReadOnlyDictionary<string, ICounterStore> stores,
        ClusterNode? member,
        CounterSettings settings,
        ILogger logger) =>
        StartAsync(
            system,
            stores,
            model.CounterTables,
            model.Chains.Clock,
            settings,
            logger,
            (connection, place) => new ConnectionSpool(
                place, connection, model.Sql.Database(connection).Description, model.Chains.Clock, logger),
            model.CounterTables.Count == 0 ? null : UsablePlace(model.Options.Spool, logger),
            member);

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
        var connections = new Dictionary<string, CounterConnection>();
        var preparing = new List<Task>();
        var gateway = new CounterGateway();
        foreach (var (name, store) in stores)
        {
            var spool = place is null ? null : spoolOf?.Invoke(name, place);
            if (spool is not null && member is not null)
            {
                spool.ThroughOwners = new OwnersOfSpool(name, gateway).CountAsync;
            }

            var prepared = new PreparedStore(name, store, logger, spool);
            preparing.Add(
                prepared.BeginAsync([.. tables.Where(use => use.Connection == name).Select(use => use.Table).Distinct()], s_tablesTime));
            _ = Task.Run(() => WriteFormerAsync(prepared, member));
            var writing = new CounterWriterSettings(name, clock);
            connections.Add(name, new CounterConnection(
                prepared,
                system.ActorOf(
                    CounterWriterActor.Props(prepared, writing, logger, spool, member is null ? null : member.WasFenced)
                        .WithDispatcher(SenderDispatcher.Of(system).Id),
                    "counter-writer-" + Uri.EscapeDataString(name)),
                system.ActorOf(CounterLoaderActor.Props(prepared, writing, logger), "counter-loader-" + Uri.EscapeDataString(name)),
                spool));
        }

        var node = new CounterNode(connections, settings, clock, clustered) { Cluster = member };
        system.ActorOf(PassivationActor.Props(node.Owners, settings), "counter-idle-owners");
        var partition = default(IActorRef);
        if (clustered)
        {
            await CounterShards.StartAsync(system, node, logger).ConfigureAwait(false);
        }
        else
        {
            node.Partitions.EnterForAll(partition = system.ActorOf(CounterPartitionActor.Props(node), "counters"));
        }

        // Most databases have answered by now. One that has not holds up no port: who asks for a counter waits for its table.
        await Task.WhenAny(Task.WhenAll(preparing), Task.Delay(s_startWaits)).ConfigureAwait(false);
        var service = new CounterService(system, node, partition);
        gateway.Attach(service.Counters);
        return service;
    }

    private static async Task WriteFormerAsync(PreparedStore store, ClusterNode? member)
    {
        if (member is not null)
        {
            await member.WhenMember.ConfigureAwait(false);
        }

        await store.WriteFormerAsync().ConfigureAwait(false);
    }

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
