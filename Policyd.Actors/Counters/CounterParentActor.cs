using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The parent of all owners on a server that is alone: what a shard region is in a cluster, without a port, a cluster and their state. It
/// only sees the first message for a key and those for an owner that is ending; all others go straight to the owner
/// (<see cref="LocalOwners"/>). An owner lives, or ends: one that says it is quiet is told to drain, what comes for it meanwhile is held,
/// and its next life begins with that.
/// </summary>
internal sealed class CounterParentActor : UntypedActor
{
    private readonly Dictionary<CounterKey, Owner> _owners = [];
    private readonly CounterNode _node;
    private readonly Props _props;
    private List<IActorRef>? _waitForAll;

    private CounterParentActor(CounterNode node)
    {
        _node = node;
        _props = CounterActor.Props(node);
    }

    public static Props Props(CounterNode node) =>
        Akka.Actor.Props.CreateBy(new Producer<CounterParentActor>(() => new CounterParentActor(node)));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case IForCounter asked:
                HandOn(asked);
                break;
            case CounterProtocol.FellQuiet quiet:
                BeginEnd(quiet);
                break;
            case Owner ended:
                OnEnded(ended);
                break;
            case CounterProtocol.DrainAll:
                OnDrainAll();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void HandOn(IForCounter message)
    {
        if (!_owners.TryGetValue(message.Key, out var owner))
        {
            var begun = Begin(message.Key, message, Sender);
            EndIfAllDo(begun);
        }
        else if (owner.Held is { } held)
        {
            held.Add((message, Sender));
        }
        else if (!_node.Owners.TryTell(message.Key, message, Sender))
        {
            owner.Actor.Tell(message, Sender);
        }
    }

    /// <summary>
    /// A key may be any text from strangers, so that it is no part of the name, which Akka makes: unique, short, and fit for a path.
    /// </summary>
    private Owner Begin(CounterKey key, IForCounter first, IActorRef asker)
    {
        var owner = new Owner(key, Context.ActorOf(_props));
        Context.WatchWith(owner.Actor, owner);
        _owners.Add(key, owner);
        owner.Actor.Tell(first, asker);
        return owner;
    }

    private void BeginEnd(CounterProtocol.FellQuiet quiet)
    {
        if (_owners.TryGetValue(quiet.Key, out var owner) && owner.Held is null && owner.Actor.Equals(Sender))
        {
            End(owner, CounterProtocol.Drain.Instance);
        }
    }

    private static void End(Owner owner, CounterProtocol.Drain drain)
    {
        owner.Held ??= [];
        owner.Actor.Tell(drain);
    }

    private void EndIfAllDo(Owner owner)
    {
        if (_waitForAll is not null)
        {
            End(owner, CounterProtocol.Drain.ForGood);
        }
    }

    /// <summary>Whether it was told to, or failed: who is asked for has a next life.</summary>
    private void OnEnded(Owner ended)
    {
        _owners.Remove(ended.Key);
        if (ended.Held is { Count: > 0 } held)
        {
            var next = Begin(ended.Key, held[0].Message, held[0].Asker);
            for (var index = 1; index < held.Count; index++)
            {
                next.Actor.Tell(held[index].Message, held[index].Asker);
            }

            EndIfAllDo(next);
        }

        TellWhenAllHaveEnded();
    }

    /// <summary>
    /// The server stops, and no request is under way: who begins a life from now on is told to end behind its first messages.
    /// </summary>
    private void OnDrainAll()
    {
        (_waitForAll ??= []).Add(Sender);
        foreach (var owner in _owners.Values)
        {
            End(owner, CounterProtocol.Drain.ForGood);
        }

        TellWhenAllHaveEnded();
    }

    private void TellWhenAllHaveEnded()
    {
        if (_owners.Count == 0 && _waitForAll is { Count: > 0 } waiting)
        {
            waiting.ForEach(static one => one.Tell(CounterProtocol.AllDrained.Instance));
            waiting.Clear();
        }
    }

    /// <summary>
    /// An owner's place; also the message that its end sends, so that the end of one of a million is found without a second table.
    /// </summary>
    private sealed class Owner(CounterKey key, IActorRef actor) : INoSerializationVerificationNeeded
    {
        public CounterKey Key { get; } = key;

        public IActorRef Actor { get; } = actor;

        /// <summary>Null while it lives; while it ends, what its next life is asked.</summary>
        public List<(IForCounter Message, IActorRef Asker)>? Held { get; set; }
    }
}
