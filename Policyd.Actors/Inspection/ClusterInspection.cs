using Akka.Actor;
using Akka.Cluster;
using Policyd.Actors.Clustering;
using Policyd.Actors.Counters;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Inspection;

/// <summary>
/// What an operator sees and does of the cluster, from this node. What Akka knows is told at once, also without a quorum; every question to
/// an actor, to another node or to the database has a time-out. Made only in a cluster: a server that is alone loads nothing of it.
/// </summary>
public sealed class ClusterInspection
{
    private const string SplitLeaseName = "akka.cluster.split-brain-resolver.lease-majority.lease-name";
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(3);
    private readonly TimeSpan _timeout;

    private readonly ActorSystem _system;
    private readonly Cluster _cluster;
    private readonly ClusterNode? _node;
    private readonly CounterService? _counters;

    /// <param name="system">A system that is part of a cluster.</param>
    /// <param name="node">This node's membership; null where only Akka's settings make it a member.</param>
    /// <param name="counters">What counts here; null when nothing does.</param>
    /// <param name="timeout">How long an answer is waited for; null: three seconds.</param>
    internal ClusterInspection(ActorSystem system, ClusterNode? node, CounterService? counters, TimeSpan? timeout = null) =>
        (_system, _cluster, _node, _counters, _timeout) = (system, Cluster.Get(system), node, counters, timeout ?? s_timeout);

    /// <summary>The cluster as this node knows it now.</summary>
    public ClusterPicture Picture => ClusterPicture.Of(_cluster);

    /// <summary>What this node is as far as it knows without a question.</summary>
    public NodeStanding Standing
    {
        get
        {
            var picture = Picture;
            var hasQuorum = _node?.HasQuorum ?? 2 * picture.Reached >= picture.Counted;
            var state = NodeStates.Of(_node?.State, StatusOf(picture), hasQuorum);
            return new NodeStanding(picture, state, hasQuorum)
            {
                Note = NodeStates.NoteOf(state, _node?.Last),
                FencedSince = _node?.EndsSince,
                HasDatabase = _node?.Directory is not null,
                KeysInMemory = _counters?.Shards.KeysInMemory,
            };
        }
    }

    /// <summary>What this node is, and what it waits for.</summary>
    public async Task<NodeStanding> StandingAsync(CancellationToken ct)
    {
        var standing = Standing;
        var leases = LeasesAsync(ct);
        var deferred = _counters?.Operations.DeferredAsync(_timeout);
        var waiting = _counters?.Shards.WaitingAddsAsync(_timeout);
        var (held, fault) = await leases.ConfigureAwait(false);
        return standing with
        {
            Leases = held,
            DatabaseFault = fault,
            WaitingAdds = waiting is null ? null : await waiting.ConfigureAwait(false),
            Deferred = deferred is null ? [] : await deferred.ConfigureAwait(false),
        };
    }

    /// <summary>The shards of the counters; null when nothing counts here.</summary>
    public async Task<ShardsSeen?> ShardsAsync() =>
        _counters is null ? null : await _counters.Shards.ShardsAsync(_timeout).ConfigureAwait(false);

    /// <summary>Where the owner of a key is; null when nothing counts here.</summary>
    public async Task<KeyPlace?> PlaceAsync(CounterKey key) =>
        _counters is null ? null : await _counters.Shards.PlaceAsync(key, _timeout).ConfigureAwait(false);

    /// <summary>Takes a member for lost, as if the cluster itself had decided so: it is fenced, and its keys move.</summary>
    public void Down(ClusterMember member)
    {
        ArgumentNullException.ThrowIfNull(member);
        _cluster.Down(Address.Parse(member.Address));
    }

    /// <summary>Whether this is where the others reach this node itself.</summary>
    /// <param name="hostAndPort">The address, as for <see cref="TryJoin"/>.</param>
    public bool IsOwn(string hostAndPort)
    {
        ArgumentNullException.ThrowIfNull(hostAndPort);
        // By Akka's settings alone, a node that joins itself begins a cluster.
        return _node is not null
            && MemberName.AddressOf(WithoutStart(hostAndPort), _cluster.SelfAddress) is { } address
            && address.Equals(_cluster.SelfAddress);
    }

    /// <summary>Asks a member to take this node in; the node must be none.</summary>
    /// <param name="hostAndPort">The member's address: <c>HOST:PORT</c>, or as Akka writes it.</param>
    /// <returns>Whether the text is an address.</returns>
    public bool TryJoin(string hostAndPort)
    {
        ArgumentNullException.ThrowIfNull(hostAndPort);
        var text = WithoutStart(hostAndPort);
        if (MemberName.AddressOf(text, _cluster.SelfAddress) is not { Host.Length: > 0 } address)
        {
            return false;
        }

        if (_node is not null)
        {
            _node.Join(text);
        }
        else
        {
            _cluster.Join(address);
        }

        return true;
    }

    private string WithoutStart(string address)
    {
        var start = $"{_cluster.SelfAddress.Protocol}://{_cluster.SelfAddress.System}@";
        return address.StartsWith(start, StringComparison.OrdinalIgnoreCase) ? address[start.Length..] : address;
    }

    // Before the node has begun, Akka may not know its own status.
    private MemberStatus? StatusOf(ClusterPicture picture) => picture.Own is null ? null : _cluster.SelfMember.Status;

    private async Task<(IReadOnlyList<HeldLease> Leases, string? Fault)> LeasesAsync(CancellationToken ct)
    {
        if (_node?.Directory is not { } directory)
        {
            return ([], null);
        }

        try
        {
            return (
                [
                    await LeaseAsync(directory, "formation", ClusterLease.Formation, ct).ConfigureAwait(false),
                    await LeaseAsync(directory, "split", SplitLease, ct).ConfigureAwait(false),
                ],
                null);
        }
        catch (CounterStoreException away)
        {
            return ([], away.Message);
        }
    }

    private static async Task<HeldLease> LeaseAsync(IClusterDirectory directory, string use, string name, CancellationToken ct) =>
        new(use, await directory.LeaseOwnerAsync(name, ct).ConfigureAwait(false));

    // As Akka's split brain resolver names it.
    private string SplitLease =>
        _system.Settings.Config.GetString(SplitLeaseName, string.Empty) is { Length: > 0 } name ? name : $"{_system.Name}-akka-sbr";
}

/// <summary>What a node is, and what it waits for.</summary>
/// <param name="Picture">The cluster as it knows it.</param>
/// <param name="State">What it is.</param>
/// <param name="HasQuorum">Whether at least half of the members are reached.</param>
public sealed record NodeStanding(ClusterPicture Picture, NodeState State, bool HasQuorum)
{
    /// <summary>Why it is no member yet; null when there is nothing to tell.</summary>
    public string? Note { get; init; }

    /// <summary>Why its commits are refused; null while they are not.</summary>
    public string? FencedSince { get; init; }

    /// <summary>Whether the members have a common database.</summary>
    public bool HasDatabase { get; init; }

    /// <summary>Why the common database does not answer; null while it does.</summary>
    public string? DatabaseFault { get; init; }

    /// <summary>The leases in the common database.</summary>
    public IReadOnlyList<HeldLease> Leases { get; init; } = [];

    /// <summary>How many keys it has in memory; null when it does not count.</summary>
    public int? KeysInMemory { get; init; }

    /// <summary>The adds that wait for other nodes; null when this was not told in time.</summary>
    public WaitingAdds? WaitingAdds { get; init; }

    /// <summary>What of this node waits for the databases of its counters.</summary>
    public IReadOnlyList<(string Connection, DeferredCounts Counts)> Deferred { get; init; } = [];

    /// <summary>Whether it is a member whose counters answer, as far as the cluster is concerned.</summary>
    public bool IsWorking => State == NodeState.Member && HasQuorum && FencedSince is null;
}

/// <summary>A lease.</summary>
/// <param name="Use">What it is for: <c>formation</c> or <c>split</c>.</param>
/// <param name="Owner">Who has it; null when nobody has.</param>
public sealed record HeldLease(string Use, string? Owner);
