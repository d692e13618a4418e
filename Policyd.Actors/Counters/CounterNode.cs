using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Akka.Actor;
using Policyd.Actors.Clustering;
using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>What the owners on one node share: the writer, the loader and the store of each connection, and the settings.</summary>
internal sealed class CounterNode(
    IReadOnlyDictionary<string, CounterConnection> connections, CounterSettings settings, TimeProvider clock, bool isClustered)
{
    // A reload may add some; none is ever taken away.
    private readonly ConcurrentDictionary<string, CounterConnection> _connections = new(connections, StringComparer.Ordinal);

    // Clocks of nodes that are kept right differ by far less.
    private static readonly TimeSpan s_clocksApart = TimeSpan.FromSeconds(2);

    // Lives of one key must differ, on all nodes and after a restart: 64 random bits at the start, then one more each.
    private ulong _lives = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private long _askedFromAfar;

    /// <summary>For what lasts: reservations end in time also when the clock is put back or forward.</summary>
    public SteadyTime Steady { get; } = new(clock);

    /// <summary>
    /// Until when mails count in a rolling window: now. A request that was overtaken sees what was counted meanwhile, and what another
    /// node has counted whose clock is a little ahead.
    /// </summary>
    public DateTimeOffset CountsUntil => isClustered ? clock.GetUtcNow() + s_clocksApart : clock.GetUtcNow();

    public CounterSettings Settings { get; } = settings;

    /// <summary>The owners that live here.</summary>
    public LocalOwners Owners { get; } = new();

    /// <summary>
    /// What this node knows of its cluster; null on a server that is alone. Without a quorum others may count what is counted here: no mail
    /// is let in by a sum of this node.
    /// </summary>
    public ClusterNode? Cluster { get; init; }

    /// <summary>Operations on keys of this node that other nodes have asked for since the start: mail waits for them there.</summary>
    public long AskedFromAfar => Volatile.Read(ref _askedFromAfar);

    /// <summary>Whether this node may know by now where partitions are.</summary>
    public bool HasBeenMember => Cluster is not { WhenMember.IsCompleted: false };

    /// <summary>The partitions that live here.</summary>
    public LocalPartitions Partitions { get; } = new();

    /// <summary>The way to other nodes; nobody on a server that is alone.</summary>
    public IActorRef Post { get; set; } = ActorRefs.Nobody;

    public IEnumerable<CounterConnection> Connections => _connections.Values;

    public IReadOnlyCollection<string> ConnectionNames => [.. _connections.Keys];

    public void Add(string name, CounterConnection connection) => _connections[name] = connection;

    public CounterConnection? Find(string name) => _connections.GetValueOrDefault(name);

    public bool HasConnection(string name) => connections.ContainsKey(name);

    public IActorRef Writer(string connection) => _connections[connection].Writer;

    /// <summary>A place on the disk for adds that other nodes have not acknowledged; null without a spool.</summary>
    public Outbox? NewOutbox(string connection) =>
        _connections[connection].Spool is { } spool ? new Outbox(spool.NewFile(Guid.NewGuid()), clock) : null;

    public IActorRef Loader(string connection) => _connections[connection].Loader;

    /// <summary>
    /// The key as its table holds it: two spellings that the table takes for one row must have one owner. Before the table
    /// was first seen (the database is away) the key stays as it is.
    /// </summary>
    public CounterKey Normalize(CounterKey key) =>
        _connections.TryGetValue(key.Connection, out var connection) && connection.Store.InfoOf(key.Table) is { } table
            ? key with { Key = CounterKeyText.ForTable(key.Key, table) }
            : key;

    /// <summary>Whether the writer of a connection may know counts under ids of version 1.</summary>
    public bool KnowsFormerIds(string connection) =>
        _connections.TryGetValue(connection, out var one) && one.Store.HasFormerIds;

    /// <summary>The id of a new life of an owner; never 0.</summary>
    public ulong NextLife()
    {
        var life = Interlocked.Increment(ref _lives);
        return life == 0 ? Interlocked.Increment(ref _lives) : life;
    }

    /// <summary>Another node has asked for so many operations.</summary>
    public void CountFromAfar(int operations) => Interlocked.Add(ref _askedFromAfar, operations);

    /// <summary>Hands an operation or a release to the owner of its key on this node; false when its partition is not here.</summary>
    public bool TryTellHere(CounterKey key, object message)
    {
        if (Cluster is { HasQuorum: false } && message is (ReserveOperation or ReadOperation) and CounterOperation check)
        {
            check.TryAnswer(CounterAnswer.Unavailable(CounterReason.Quorum));
            return true;
        }

        if (Owners.TryTell(key, message))
        {
            return true;
        }

        if (Partitions.Of(key, Settings.Shards) is not { } partition)
        {
            return false;
        }

        partition.Tell(message, ActorRefs.NoSender);
        return true;
    }

    /// <summary>Hands over what was asked here and belongs to another node.</summary>
    public void Elsewhere(object message) => Post.Tell(message, ActorRefs.NoSender);
}

/// <summary>The partitions on this node by their numbers: all of them under one on a server that is alone.</summary>
internal sealed class LocalPartitions
{
    private readonly ConcurrentDictionary<int, IActorRef> _byNumber = new();
    private IActorRef? _ofAll;

    /// <summary>From now on one has all keys.</summary>
    public void EnterForAll(IActorRef partition) => Volatile.Write(ref _ofAll, partition);

    public void Enter(int number, IActorRef partition) => _byNumber[number] = partition;

    public void Leave(int number, IActorRef partition) => _byNumber.TryRemove(KeyValuePair.Create(number, partition));

    /// <summary>The partition of a key; null when it is not here.</summary>
    public IActorRef? Of(CounterKey key, int partitions) =>
        Volatile.Read(ref _ofAll) ?? _byNumber.GetValueOrDefault(CounterPartition.Of(key, partitions));
}

/// <summary>One SQL connection's share of a node.</summary>
internal sealed record CounterConnection(PreparedStore Store, IActorRef Writer, IActorRef Loader, ConnectionSpool? Spool = null);

/// <summary>How long things are kept, and how far the keys are cut. The number of partitions must be the same on every node.</summary>
public sealed record CounterSettings
{
    /// <summary>How long a mail that was let in may take until it is counted.</summary>
    public TimeSpan ReservationTimeout { get; init; } = CounterLedger.UsualTimeout;

    /// <summary>How long a key that nobody asks for keeps its place in memory: at least this, at most twice as long.</summary>
    public TimeSpan PassivateAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How many keys may be in memory before those that nobody asks for lose their place sooner; about 1 KB each.</summary>
    public int OwnersAtEase { get; init; } = 100_000;

    /// <summary>How many partitions a cluster has.</summary>
    public int Shards { get; init; } = 64;

    /// <summary>Whether each client of this node waits for an answer: see <see cref="CounterWriterSettings.EveryClientWaits"/>.</summary>
    public Func<bool> EveryClientWaits { get; init; } = static () => false;

    /// <summary>After how long without an answer another node is asked again.</summary>
    public TimeSpan AskAgainAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// After how long without an answer it is asked again where a partition is; then after twice as long each time, until
    /// <see cref="AskAgainAfter"/>.
    /// </summary>
    public TimeSpan SeekAgainAfter { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>After how long without an acknowledgement an add is kept on the disk, and its mail goes on.</summary>
    public TimeSpan KeepAfter { get; init; } = TimeSpan.FromSeconds(2);
}
