using System.Diagnostics;
using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Where the partitions of other nodes live, and what gathers for each of these nodes. All that the post's actor takes from its mailbox in
/// one go crosses in one message a node; and while a node has a question that it answers at once, what comes for it waits for that answer.
/// So a busy node is asked once a round trip and no more often than its <see cref="MessagePace"/> allows, and an idle one without delay.
/// Cluster Sharding is asked for each partition, and asked again until it answers: one that moves does not. The post's own.
/// </summary>
internal sealed class OtherNodes : IDisposable
{
    // A timer of .NET: those of Akka's scheduler end with its tick of ten milliseconds.
    private static readonly TimeSpan s_untilNext = TimeSpan.FromMilliseconds(1);

    private readonly CounterNode _node;
    private readonly IActorRef _region;
    private readonly IActorContext _context;
    private readonly IActorRef _post;
    private readonly IScheduler _scheduler;
    private readonly Func<IActorRef, PostConnection?> _connect;
    private readonly Timer _next;
    private readonly Dictionary<int, Place> _places = [];
    private readonly List<OtherNode> _nodes = [];
    private bool _isToBeSent;
    private bool _isTimed;

    /// <param name="node">This node.</param>
    /// <param name="region">The partitions, wherever they are.</param>
    /// <param name="context">The post.</param>
    /// <param name="connect">Connects this node directly to a post, if that takes such connections.</param>
    public OtherNodes(CounterNode node, IActorRef region, IActorContext context, Func<IActorRef, PostConnection?> connect)
    {
        _connect = connect;
        (_node, _region, _context, _post, _scheduler) = (node, region, context, context.Self, context.System.Scheduler);
        _next = new Timer(
            static post => ((IActorRef)post!).Tell(SendPaced.Instance, ActorRefs.NoSender), _post, Timeout.Infinite, Timeout.Infinite);
    }

    public void Dispose()
    {
        _next.Dispose();
        _nodes.ForEach(static one => one.Dispose());
    }

    /// <summary>Puts an operation into the next message to its partition's node; one whose node is not known waits until it is.</summary>
    /// <returns>Whether <see cref="SendGathered"/> is to be called now, behind what waits in the mailbox.</returns>
    public bool Add(ulong number, PendingOperation pending, DateTimeOffset now)
    {
        pending.SentAt = now;
        if (Of(pending.Partition) is not { } other)
        {
            return false;
        }

        pending.WasSent = true;
        other.Next.Add(number, pending.Operation);
        other.NextAsks |= pending.Operation is not AddOperation;
        if (other.Next.IsFull)
        {
            Send(other);
            return false;
        }

        var isFirst = !_isToBeSent && other is { IsAsked: false, IsPaced: false };
        _isToBeSent |= isFirst;
        return isFirst;
    }

    /// <summary>Sends what has gathered for nodes that have no question.</summary>
    public void SendGathered()
    {
        _isToBeSent = false;
        SendToFreeNodes();
    }

    /// <summary>Sends what had to wait for the pace of its node.</summary>
    public void SendNext()
    {
        _isTimed = false;
        SendToFreeNodes();
    }

    /// <summary>A node has answered something: what has gathered for it is sent.</summary>
    public void OnAnswer(IActorRef post)
    {
        if (_nodes.Find(one => post.Equals(one.Post)) is { } other)
        {
            other.IsAsked = false;
            SendAtPace(other);
        }
    }

    /// <summary>Sends all that has gathered: an answer was lost, or is late.</summary>
    public void SendAll() => _nodes.ForEach(Send);

    /// <summary>Sends a message to the partition's node now; not when it is not known, and is asked for.</summary>
    public void Tell(int partition, ICounterMessage message) => Of(partition)?.Tell(message, _post);

    /// <summary>The partition is on the node of this post; null: on none that is known.</summary>
    /// <returns>False when nobody has asked for it.</returns>
    public bool TryEnter(int partition, IActorRef? other)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            return false;
        }

        (place.Node, place.IsSought) = (other is null ? null : NodeOf(other), false);
        return true;
    }

    /// <summary>Where the partition is, is asked anew.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="ifIt">Only if this post is the one that is known; null: in any case.</param>
    public void Forget(int partition, IActorRef? ifIt)
    {
        if (_places.TryGetValue(partition, out var place) && (ifIt is null || ifIt.Equals(place.Node?.Post)))
        {
            place.Node = null;
            Seek(partition, place);
        }
    }

    /// <summary>A node has ended. Its partitions are asked for at once: what it was asked will not be answered.</summary>
    public void OnGone(IActorRef post)
    {
        RemoveAll(one => post.Equals(one.Post));
        foreach (var partition in _places.Keys)
        {
            Forget(partition, post);
        }
    }

    /// <summary>A partition was asked for some time ago.</summary>
    /// <param name="seek">What was asked.</param>
    /// <param name="isWanted">Whether anything waits for an answer.</param>
    public void SeekAgain(SeekAgain seek, bool isWanted)
    {
        var place = _places[seek.Partition];
        if (place.IsSought && place.Searches == seek.Number)
        {
            place.IsSought = false;
            if (isWanted)
            {
                Seek(seek.Partition, place, seek.After < _node.Settings.AskAgainAfter / 2 ? 2 * seek.After : _node.Settings.AskAgainAfter);
            }
        }
    }

    private void SendToFreeNodes()
    {
        foreach (var other in _nodes)
        {
            if (!other.IsAsked)
            {
                SendAtPace(other);
            }
        }
    }

    private void SendAtPace(OtherNode other)
    {
        if (other.Next.Count == 0)
        {
            return;
        }

        other.IsPaced = !other.MaySend(Stopwatch.GetTimestamp());
        if (!other.IsPaced)
        {
            Send(other);
        }
        else if (!_isTimed)
        {
            _isTimed = _next.Change(s_untilNext, Timeout.InfiniteTimeSpan);
        }
    }

    private void Send(OtherNode other)
    {
        (other.IsAsked, other.NextAsks, other.IsPaced) = (other.NextAsks, false, false);
        if (other.Next.Count > 0)
        {
            other.Tell(new CounterPostProtocol.Ask(other.Next.Take()), _post);
        }
    }

    private OtherNode NodeOf(IActorRef post)
    {
        if (_nodes.Find(one => post.Equals(one.Post)) is { } known)
        {
            return known;
        }

        // A node has another post in each of its lives.
        RemoveAll(one => one.Next.Count == 0 && _places.Values.All(place => place.Node != one));
        var other = new OtherNode(post, _connect(post));
        _nodes.Add(other);
        _context.Watch(post);
        return other;
    }

    private void RemoveAll(Predicate<OtherNode> isGone)
    {
        foreach (var one in _nodes.FindAll(isGone))
        {
            one.Dispose();
            _nodes.Remove(one);
        }
    }

    private OtherNode? Of(int partition)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            _places.Add(partition, place = new Place());
        }

        if (place.Node is null)
        {
            Seek(partition, place);
        }

        return place.Node;
    }

    // A handover takes little time: it is asked for soon at first, and less often where nobody places partitions.
    private void Seek(int partition, Place place) => Seek(partition, place, _node.Settings.SeekAgainAfter);

    private void Seek(int partition, Place place, TimeSpan again)
    {
        // A region that has no coordinator yet keeps the question, complains of it, and does not end before it is answered.
        if (!place.IsSought && _node.HasBeenMember)
        {
            place.IsSought = true;
            _region.Tell(new CounterPostProtocol.FindPartition(partition), _post);
            _scheduler.ScheduleTellOnce(again, _post, new SeekAgain(partition, ++place.Searches, again), ActorRefs.NoSender);
        }
    }

    private sealed class Place
    {
        public OtherNode? Node { get; set; }

        /// <summary>Whether it was asked for, and nobody has told since.</summary>
        public bool IsSought { get; set; }

        /// <summary>How often it was asked for: the number of the last question.</summary>
        public int Searches { get; set; }
    }

    private sealed class OtherNode(IActorRef post, PostConnection? direct) : IDisposable
    {
        private MessagePace _pace = new(Stopwatch.GetTimestamp());

        public IActorRef Post => post;

        public WireBatch Next { get; } = new();

        /// <summary>Whether something in <see cref="Next"/> is answered at once, which an add is not.</summary>
        public bool NextAsks { get; set; }

        /// <summary>Whether it was sent such a thing, and has not answered since.</summary>
        public bool IsAsked { get; set; }

        /// <summary>Whether <see cref="Next"/> waits for its time.</summary>
        public bool IsPaced { get; set; }

        public bool MaySend(long now) => _pace.TrySend(now);

        public void Tell(ICounterMessage message, IActorRef sender)
        {
            if (direct is null || !direct.TrySend(message))
            {
                post.Tell(message, sender);
            }
        }

        public void Dispose() => direct?.Dispose();
    }
}

/// <summary>It is time for what had to wait for the pace of its node. To the post itself.</summary>
internal sealed class SendPaced : INoSerializationVerificationNeeded
{
    public static readonly SendPaced Instance = new();
}

/// <summary>Nobody may have told yet where a partition is: it is time to ask again. To the post itself.</summary>
/// <param name="Partition">Which.</param>
/// <param name="Number">The number of the question.</param>
/// <param name="After">How long ago it was asked.</param>
internal sealed record SeekAgain(int Partition, int Number, TimeSpan After) : INoSerializationVerificationNeeded;
