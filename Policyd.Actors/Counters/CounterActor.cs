using Akka.Actor;
using Policyd.Counting.Owners;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterProtocol;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The actor of one key: takes messages one after the other, has <see cref="CounterOwner"/> decide, and carries out what it decides.
/// </summary>
internal sealed class CounterActor : UntypedActor, IOwnerEffects
{
    private readonly CounterOwner _owner;
    private readonly OwnerEntry _entry;

    public CounterActor()
    {
        _entry = ((OwnerRef)Self).Entry;
        _owner = new CounterOwner(this, _entry.Home.Node.NextLife());
    }

    private OwnerTime Now => new(Node.Steady.Now, Node.CountsUntil, Node.Settings.ReservationTimeout);

    private CounterNode Node => _entry.Home.Node;

    public static Props Props() =>
        Akka.Actor.Props.CreateBy(new Producer<CounterActor>(static () => new CounterActor())).WithMailbox(CounterMailbox.Id);

    public void Load(CounterWindow window) => Node.Loader(_entry.Key.Connection).Tell(new Load(_entry.Key, window), Self);

    public void Write(WriteOperation write)
    {
        write.Owner = _entry;
        Node.Writer(_entry.Key.Connection).Tell(write, ActorRefs.NoSender);
    }

    public void Find(FindCountedOperation find)
    {
        if (find.ForAdd is { } add)
        {
            add.Owner = _entry;
        }

        Node.Writer(_entry.Key.Connection).Tell(find, ActorRefs.NoSender);
    }

    public void AskWhenSettled(uint number, bool patient) =>
        Node.Writer(_entry.Key.Connection).Tell(new SettledQuestion(_entry, _entry.Key.Table, number, patient), ActorRefs.NoSender);

    public void HandBack(CounterOperation operation) => _entry.Home.Partition.Tell(new HandedBack(operation), ActorRefs.NoSender);

    public void Passivate() => _entry.Home.Partition.Tell(new FellQuiet(_entry), ActorRefs.NoSender);

    /// <summary>
    /// What was sent before the way closed stands between this and <see cref="GateClosed"/>: it is done before the end.
    /// </summary>
    public void CloseGate()
    {
        _entry.Close();
        Self.Tell(GateClosed.Instance, ActorRefs.NoSender);
    }

    public void End() => Context.Stop(Self);

    protected override void PostStop()
    {
        _entry.Close();
        _owner.OnFailure();
    }

    // A switch and no table of handlers: the table would be made anew for each key, and cost more than the rest of its owner.
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case CounterOperation operation:
                _owner.OnOperation(operation, Now);
                break;
            case Release release:
                _owner.OnRelease(release.Mail, release.Window);
                break;
            case RowReport report:
                _owner.OnReport(report, Now);
                break;
            case Settled settled:
                _owner.OnSettled(settled.Number, settled.IsSettled, Now);
                break;
            case Loaded loaded:
                _owner.OnLoaded(loaded.Window, loaded.Rows, Now);
                break;
            case LoadFailed failed:
                _owner.OnLoadFailed(failed.Window, Now);
                break;
            case Counted counted:
                _owner.OnCounted(counted.Find, Now);
                break;
            case LookWhetherIdle look:
                _owner.OnLook(Now, look.IsAway);
                break;
            case Drain drain:
                _owner.OnDrain(drain.IsForGood);
                break;
            case GateClosed:
                _owner.OnGateClosed();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private sealed class GateClosed : INoSerializationVerificationNeeded
    {
        public static readonly GateClosed Instance = new();
    }
}
