using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Model;

namespace Policyd.Actors.Counters;

/// <summary>
/// Starts what counts: a cluster (of one node, which joins itself, unless seed nodes are configured), the writers and loaders of this
/// node, and the shard region whose entities own the keys. Only for a configuration that has a counter table.
/// </summary>
internal sealed class CounterCluster
{
    private const string RegionName = "counters";

    private readonly CounterNode _node;

    private CounterCluster(CounterNode node, ShardedCounters counters)
    {
        _node = node;
        Counters = counters;
    }

    public ShardedCounters Counters { get; }

    public CounterOperations Operations => new(Counters, _node);

    /// <summary>Completes when this node is a member and the tables have been looked at (or the database turned out to be away).</summary>
    public static Task<CounterCluster> StartAsync(ActorSystem system, PolicyServerModel model, CounterSettings settings, ILogger logger) =>
        StartAsync(system, model.CounterStores, model.CounterTables, model.Chains.Clock, settings, logger);

    /// <inheritdoc cref="StartAsync(ActorSystem, PolicyServerModel, CounterSettings, ILogger)"/>
    public static async Task<CounterCluster> StartAsync(
        ActorSystem system,
        IReadOnlyDictionary<string, ICounterStore> stores,
        IReadOnlyList<CounterTableUse> tables,
        TimeProvider clock,
        CounterSettings settings,
        ILogger logger)
    {
        var others = new OtherNodes(system);
        var connections = new Dictionary<string, CounterConnection>();
        foreach (var (name, store) in stores)
        {
            var prepared = new PreparedStore(name, store, logger);
            await PrepareAsync(prepared, name, tables, logger).ConfigureAwait(false);
            var writing = new CounterWriterSettings(name, clock, () => others.Seen);
            connections.Add(name, new CounterConnection(
                prepared,
                system.ActorOf(CounterWriterActor.Props(prepared, writing), "counter-writer-" + Uri.EscapeDataString(name)),
                system.ActorOf(CounterLoaderActor.Props(prepared, writing), "counter-loader-" + Uri.EscapeDataString(name))));
        }

        var node = new CounterNode(connections, settings, clock, () => others.Seen);
        system.ActorOf(IdleOwnersActor.Props(node.Owners, settings), "counter-idle-owners");
        var sharding = ClusterSharding.Get(system);
        var owner = CounterActor.Props(node);
        var region = await sharding.StartAsync(
            RegionName,
            _ => owner,
            ClusterShardingSettings.Create(system),
            new CounterMessageExtractor(settings.Shards),
            sharding.DefaultShardAllocationStrategy(ClusterShardingSettings.Create(system)),
            CounterProtocol.Drain.Instance).ConfigureAwait(false);

        // Last: a member is asked at once to store where shards are, and the others wait for it when it is not ready to.
        await JoinAsync(Cluster.Get(system)).ConfigureAwait(false);
        return new CounterCluster(node, new ShardedCounters(system, region, node));
    }

    /// <summary>Writes what is on its way. Returns when it is written or the grace time is over; a writer says in the log what it could not.</summary>
    public async Task FlushAsync(TimeSpan grace)
    {
        var flushes = _node.Connections.Select(connection => connection.Writer.Ask<CounterWriterProtocol.Flushed>(new CounterWriterProtocol.Flush(), grace));
        try
        {
            await Task.WhenAll(flushes).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            // The writers log what they still hold when they are stopped.
        }
    }

    private static async Task JoinAsync(Cluster cluster)
    {
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        if (cluster.Settings.SeedNodes.IsEmpty)
        {
            cluster.Join(cluster.SelfAddress);
        }

        await up.Task.ConfigureAwait(false);
    }

    private static async Task PrepareAsync(PreparedStore store, string connection, IReadOnlyList<CounterTableUse> uses, ILogger logger)
    {
        var tables = uses.Where(use => use.Connection == connection).Select(use => use.Table).Distinct();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            await Task.Run(() => store.PrepareAsync(tables, patience.Token), patience.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is CounterStoreException or OperationCanceledException)
        {
            logger.LogError("{Connection}: the counter tables cannot be prepared yet, mail goes on without them: {Reason}", connection, exception.Message);
        }
    }
}
