using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>
/// Where the partitions of other nodes live, and what gathers for each of these nodes: all that the post's actor takes from its mailbox in
/// one go crosses in one message a node. Cluster Sharding is asked once for each partition. The post's own.
/// </summary>
internal sealed class OtherNodes(CounterNode node, IActorRef region, IActorRef post)
{
    private readonly Dictionary<int, Place> _places = [];
    private readonly List<OtherNode> _gathering = [];

    /// <summary>Whether something has gathered.</summary>
    public bool HasGathered => _gathering.Count > 0;

    /// <summary>Puts an operation into the next message to its partition's node; one whose node is not known waits until it is.</summary>
    public void Add(ulong number, PendingOperation pending, DateTimeOffset now)
    {
        pending.SentAt = now;
        if (Of(pending.Partition, now) is not { } other)
        {
            return;
        }

        pending.WasSent = true;
        if (other.Next.Count == 0)
        {
            _gathering.Add(other);
        }

        other.Next.Add(number, pending.Operation);
        if (other.Next.IsFull)
        {
            _gathering.Remove(other);
            Send(other);
        }
    }

    /// <summary>Sends what has gathered.</summary>
    public void SendGathered()
    {
        foreach (var other in _gathering)
        {
            Send(other);
        }

        _gathering.Clear();
    }

    /// <summary>The post of the partition's node; null when it is not known, and is asked for.</summary>
    public IActorRef? PostOf(int partition) => Of(partition, node.Steady.Now)?.Post;

    /// <summary>The partition is on the node of this post; null: on none that is known.</summary>
    /// <returns>False when nobody has asked for it.</returns>
    public bool TryEnter(int partition, IActorRef? other)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            return false;
        }

        place.Node = other is null ? null
            : _places.Values.FirstOrDefault(one => other.Equals(one.Node?.Post))?.Node ?? new OtherNode(other);
        return true;
    }

    /// <summary>Where the partition is, is to be asked anew.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="ifIt">Only if this post is the one that is known; null: in any case.</param>
    public void Forget(int partition, IActorRef? ifIt)
    {
        if (_places.TryGetValue(partition, out var place) && (ifIt is null || ifIt.Equals(place.Node?.Post)))
        {
            place.Node = null;
        }
    }

    private void Send(OtherNode other) => other.Post.Tell(new CounterPostProtocol.Ask(other.Next.Take()), post);

    private OtherNode? Of(int partition, DateTimeOffset now)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            _places.Add(partition, place = new Place());
        }

        // A region that has no coordinator yet keeps the question, complains of it, and does not end before it is answered.
        if (place.Node is null && node.HasBeenMember && now - place.AskedAt >= node.Settings.AskAgainAfter)
        {
            place.AskedAt = now;
            region.Tell(new CounterPostProtocol.FindPartition(partition), post);
        }

        return place.Node;
    }

    private sealed class Place
    {
        public OtherNode? Node { get; set; }

        public DateTimeOffset AskedAt { get; set; } = DateTimeOffset.MinValue;
    }

    private sealed record OtherNode(IActorRef Post)
    {
        public WireBatch Next { get; } = new();
    }
}
