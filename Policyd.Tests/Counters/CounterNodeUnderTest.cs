using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Akka.Configuration;
using Akka.Event;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Counters;
using Policyd.Actors.Hosting;
using Policyd.Actors.Inspection;
using Policyd.Actors.Network;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// A node that counts: an actor system of its own with the server's settings, in a cluster a real port on loopback, and a store that
/// outlives it.
/// </summary>
internal sealed class CounterNodeUnderTest : IAsyncDisposable
{
    // Gossip is quick, nobody is ever thought dead by mistake on a busy machine, and Terminate is a crash: no leaving, no handing over.
    private const string Testing = """
        akka {
          # The sweep for idle owners goes in sixty steps: where a test has it last 300 ms, they must not be 100 ms each.
          scheduler.tick-duration = 10ms
          loglevel = OFF
          stdout-loglevel = OFF
          cluster.gossip-interval = 50 ms
          cluster.seed-node-timeout = 300 ms
          cluster.failure-detector.acceptable-heartbeat-pause = 60 s
          coordinated-shutdown.run-by-actor-system-terminate = off
        }
        """;

    private readonly ActorSystem _system;
    private readonly CounterService _counting;
    private readonly Recorder _undelivered;
    private bool _gone;

    private CounterNodeUnderTest(ActorSystem system, CounterService counting)
    {
        _system = system;
        _counting = counting;
        _undelivered = new Recorder(system);
        system.EventStream.Subscribe(_undelivered.Self, typeof(AllDeadLetters));
    }

    public OwnedCounters Counters => _counting.Counters;

    /// <summary>Waits until all that was added here is in the database; false when it is away.</summary>
    public Task<bool> Flush() => _counting.Operations.FlushAsync("db", Eventually.Timeout);

    public Cluster Cluster => Cluster.Get(_system);

    /// <summary>What operators see of the cluster, however long a busy machine takes for it.</summary>
    public ClusterInspection Inspection => InspectionWithin(Eventually.Timeout);

    /// <summary>The same, with another time to wait for an answer.</summary>
    public ClusterInspection InspectionWithin(TimeSpan timeout) => new(_system, node: null, _counting, timeout);

    /// <summary>The owners that live here.</summary>
    public LocalOwners Owners => _counting.Owners;

    /// <summary>
    /// What was sent to an owner, a writer or a loader that was no more; a timer's message that came too late is nothing lost.
    /// </summary>
    public IReadOnlyList<AllDeadLetters> Undelivered =>
        [.. _undelivered.All<AllDeadLetters>().Where(one => one.Message is CounterOperation or CounterProtocol.Release
            || one.Message.GetType().DeclaringType == typeof(CounterWriterProtocol))];

    /// <summary>A server that is alone.</summary>
    public static Task<CounterNodeUnderTest> StartAlone(
        ICounterStore store, TimeProvider? clock = null, CounterSettings? settings = null) =>
        Start(store, Config.Empty, clock, settings);

    /// <summary>A node of a cluster of its own, or one that joins the seed's.</summary>
    public static async Task<CounterNodeUnderTest> StartInCluster(
        ICounterStore store,
        CounterNodeUnderTest? seed = null,
        TimeProvider? clock = null,
        CounterSettings? settings = null,
        string akka = "")
    {
        var asked = seed is null ? "akka.actor.provider = cluster" : $"akka.cluster.seed-nodes = [\"{seed.Cluster.SelfAddress}\"]";
        var node = await Start(
            store, ConfigurationFactory.ParseString(asked).WithFallback(ConfigurationFactory.ParseString(akka)), clock, settings);
        if (seed is not null)
        {
            await Eventually.Holds("both nodes to know that both are up", () => Up(seed.Cluster) == 2 && Up(node.Cluster) == 2);
            await Eventually.Holds("both nodes to be given keys", async () => await seed.Regions() == 2 && await node.Regions() == 2);
        }

        return node;
    }

    private static async Task<CounterNodeUnderTest> Start(
        ICounterStore store, Config operators, TimeProvider? clock, CounterSettings? settings)
    {
        var configuration = operators
            .WithFallback(ConfigurationFactory.ParseString(Testing))
            .WithFallback(AkkaNetwork.SettingsFor(operators))
            .WithFallback(ConfigurationFactory.ParseString(CounterAkkaSettings.TimeToStop(TimeSpan.FromSeconds(15))))
            .WithFallback(ConfigurationFactory.ParseString(CounterAkkaSettings.Defaults))
            .WithFallback(ConfigurationFactory.ParseString(AkkaSettings.Defaults));
        var system = ActorSystem.Create("policyd", configuration);
        return new CounterNodeUnderTest(system, await Eventually.Ends("the node to be up", Count(system, store, clock, settings)));
    }

    private static async Task<CounterService> Count(ActorSystem system, ICounterStore store, TimeProvider? clock, CounterSettings? settings)
    {
        var counting = await CounterService.StartAsync(
            system,
            new Dictionary<string, ICounterStore> { ["db"] = store },
            [new CounterTableUse("db", "acct_sender", Writes: true)],
            clock ?? TimeProvider.System,
            settings ?? new CounterSettings(),
            NullLogger.Instance);
        if (AkkaNetwork.IsClustered(system))
        {
            await ClusterMembership.JoinAsync(system);
        }

        return counting;
    }

    private async Task<int> Regions()
    {
        var region = ClusterSharding.Get(_system).ShardRegion("counters");
        return (await region.Ask<CurrentRegions>(
            GetCurrentRegions.Instance, Eventually.Timeout, TestContext.Current.CancellationToken)).Regions.Count;
    }

    /// <summary>The keys that have their owner here.</summary>
    public IReadOnlyList<CounterKey> OwnedKeys => [.. _counting.Owners.All.Select(owner => owner.Key)];

    /// <summary>What operators do.</summary>
    public CounterOperations Operations => _counting.Operations;

    /// <summary>A clean stop, with everything that is handed over in it.</summary>
    public async Task Leave()
    {
        _gone = true;
        CoordinatedShutdown.Get(_system).AddTask(CoordinatedShutdown.PhaseServiceStop, "flush-counters", async () =>
        {
            await _counting.FlushAsync(TimeSpan.FromSeconds(10));
            return Akka.Done.Instance;
        });
        await Eventually.Ends(
            "the clean stop", CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClrExitReason.Instance), TimeSpan.FromSeconds(60));
    }

    /// <summary>The node is gone from one moment to the next; nothing is flushed, nothing handed over.</summary>
    public async Task Crash()
    {
        _gone = true;
        await _system.Terminate();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_gone)
        {
            await Crash();
        }
    }

    private static int Up(Cluster cluster) => cluster.State.Members.Count(member => member.Status == MemberStatus.Up);
}
