using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Starts and ends the owners of a part of the keys: of all keys on a server that is alone; in a cluster, where it is an entity of Cluster
/// Sharding, of those whose hash is its number. It only sees the first message for a key and those for an owner that is ending; all others
/// go straight to the owner (<see cref="LocalOwners"/>). An owner lives, or ends: one that says it is quiet is told to drain, what comes
/// for it meanwhile is held, and its next life begins with that.
/// </summary>
internal sealed class CounterPartitionActor : UntypedActor
{
    private readonly CounterNode _node;
    private readonly int? _number;
    private readonly OwnerFactory _factory;
    private readonly OwnerHome _home;
    private readonly OwnerList _owners = new();
    private List<IActorRef>? _waitForAll;
    private bool _movesAway;

    private CounterPartitionActor(CounterNode node, int? number)
    {
        _node = node;
        _number = number;
        _factory = new OwnerFactory(Context.System, Self.Path);
        _home = new OwnerHome(Self, node);
    }

    /// <param name="node">The node.</param>
    /// <param name="number">Its number in a cluster; null for the one that has all keys.</param>
    public static Props Props(CounterNode node, int? number = null) =>
        Akka.Actor.Props.CreateBy(new Producer<CounterPartitionActor>(() => new CounterPartitionActor(node, number)));

    protected override void PreStart()
    {
        if (_number is { } number)
        {
            // Before any owner reads or writes: who had these keys can commit nothing more, if he is lost, and what he counted is known.
            _node.Cluster?.FenceTheLost();
            foreach (var connection in _node.Connections)
            {
                connection.Writer.Tell(CounterWriterProtocol.KeysMoved.Instance, ActorRefs.NoSender);
            }

            _node.Partitions.Enter(number, Self);
        }
    }

    protected override void PostStop()
    {
        LeaveNode();
        foreach (var owner in _owners)
        {
            _node.Owners.Leave(owner);
            OwnerFactory.Stop(owner);
        }

        _owners.Clear();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case CounterOperation operation:
                HandOn(operation.Key, operation);
                break;
            case CounterProtocol.Release release:
                HandOn(release.Key, release);
                break;
            case CounterProtocol.HandedBack back:
                HandOn(back.Operation.Key, back.Operation);
                break;
            case CounterProtocol.FellQuiet quiet when quiet.Owner.Held is null:
                End(quiet.Owner, CounterProtocol.Drain.Instance);
                break;
            case CounterProtocol.FellQuiet:
                break;
            case CounterProtocol.OwnerEnded ended:
                OnEnded(ended.Owner);
                break;
            case CounterPostProtocol.FindPartition when !_movesAway:
                _node.Post.Tell(new CounterPostProtocol.TellPartition(_number!.Value, Sender), ActorRefs.NoSender);
                break;
            case CounterPostProtocol.FindPartition:
                break;
            case CounterProtocol.DrainAll:
                OnDrainAll();
                break;
            case CounterProtocol.HandOver:
                OnHandOver();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void HandOn(CounterKey key, object message)
    {
        if (_node.Owners.Find(key) is not { } owner)
        {
            if (_movesAway)
            {
                _node.Elsewhere(message);
            }
            else
            {
                Begin(key, [message]);
            }
        }
        else if (owner.Held is { } held)
        {
            held.Add(message);
        }
        else if (!owner.TryTell(message))
        {
            // It has failed, and its end is on its way here.
            owner.Held = [message];
        }
    }

    private void Begin(CounterKey key, List<object> messages)
    {
        var owner = new OwnerEntry(key, _home);
        _factory.Start(owner);
        _owners.Add(owner);
        foreach (var message in messages)
        {
            owner.TryTell(message);
        }

        _node.Owners.Enter(owner);
        if (_waitForAll is not null)
        {
            End(owner, CounterProtocol.Drain.ForGood);
        }
    }

    private static void End(OwnerEntry owner, CounterProtocol.Drain drain)
    {
        owner.Held ??= [];
        owner.TellAnyway(drain);
    }

    /// <summary>Whether it was told to, or failed: who is asked for has a next life, here or where the partition moves to.</summary>
    private void OnEnded(OwnerEntry ended)
    {
        _owners.Remove(ended);
        _node.Owners.Leave(ended);
        if (ended.Held is { Count: > 0 } held)
        {
            if (_movesAway)
            {
                held.ForEach(_node.Elsewhere);
            }
            else
            {
                Begin(ended.Key, held);
            }
        }

        TellWhenAllHaveEnded();
    }

    /// <summary>
    /// The server stops, and no request is under way: who begins a life from now on is told to end behind its first messages.
    /// </summary>
    private void OnDrainAll()
    {
        (_waitForAll ??= []).Add(Sender);
        foreach (var owner in _owners)
        {
            End(owner, CounterProtocol.Drain.ForGood);
        }

        TellWhenAllHaveEnded();
    }

    private void OnHandOver()
    {
        _movesAway = true;
        LeaveNode();
        foreach (var owner in _owners)
        {
            End(owner, CounterProtocol.Drain.Instance);
        }

        TellWhenAllHaveEnded();
    }

    private void LeaveNode()
    {
        if (_number is { } number)
        {
            _node.Partitions.Leave(number, Self);
        }
    }

    private void TellWhenAllHaveEnded()
    {
        if (_owners.Count > 0)
        {
            return;
        }

        if (_movesAway)
        {
            Context.Stop(Self);
        }
        else if (_waitForAll is { Count: > 0 } waiting)
        {
            waiting.ForEach(static one => one.Tell(CounterProtocol.AllDrained.Instance));
            waiting.Clear();
        }
    }
}
