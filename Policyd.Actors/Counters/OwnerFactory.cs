using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Policyd.Actors.Dispatching;

namespace Policyd.Actors.Counters;

/// <summary>
/// Makes the actors of keys. A child of an actor (<c>Context.ActorOf</c>) costs a look at the deployment settings, a name, and a place in
/// an immutable dictionary of all children, which for ten thousand of them is rebuilt at each birth and death. These have one supervisor
/// of our own instead, which knows what to do with any of them: one that fails ends, and one that has ended is told to its partition
/// (docs/adr/0040).
/// </summary>
internal sealed class OwnerFactory
{
    // A key may be any text from strangers, so that it is no part of the name. The number that follows it tells owners apart.
    private const string Name = "owner";

    private readonly ActorSystemImpl _system;
    private readonly Props _props;
    private readonly MessageDispatcher _dispatcher;
    private readonly MailboxType _mailbox;
    private readonly Supervisor _supervisor;
    private long _number;

    public OwnerFactory(ActorSystem system, ActorPath parent)
    {
        _system = (ActorSystemImpl)system;
        _props = CounterActor.Props();
        _dispatcher = SenderDispatcher.Of(system);
        _mailbox = new CounterMailbox(system.Settings, Config.Empty);
        _supervisor = new Supervisor(parent, _system);
    }

    /// <summary>Starts the owner of an entry.</summary>
    public void Start(OwnerEntry entry)
    {
        var path = new ChildActorPath(_supervisor.Path, Name, ++_number);
        var actor = new OwnerRef(_system, _props, _dispatcher, _mailbox, _supervisor, path, entry);
        entry.Begin(actor);
        actor.Start();
    }

    /// <summary>Ends an owner without a word; what it has handed over is committed all the same.</summary>
    public static void Stop(OwnerEntry entry) => entry.TellAnyway(PoisonPill.Instance);

    private sealed class Supervisor(ActorPath path, ActorSystemImpl system) : MinimalActorRef
    {
        public override ActorPath Path => path;

        public override IActorRefProvider Provider => system.Provider;

        public override void SendSystemMessage(ISystemMessage message)
        {
            switch (message)
            {
                case Failed failed:
                    var child = (OwnerRef)failed.Child;
                    system.EventStream.Publish(
                        new Error(failed.Cause, child.Path.ToStringWithUid(), typeof(CounterActor), failed.Cause.Message));
                    child.Stop();
                    break;
                case DeathWatchNotification ended:
                    var entry = ((OwnerRef)ended.Actor).Entry;
                    entry.Home.Partition.Tell(new CounterProtocol.OwnerEnded(entry), ActorRefs.NoSender);
                    break;
            }
        }
    }
}

/// <summary>An owner's actor, which knows its place: its supervisor has many, and the actor itself is made without arguments.</summary>
internal sealed class OwnerRef(
    ActorSystemImpl system,
    Props props,
    MessageDispatcher dispatcher,
    MailboxType mailbox,
    IInternalActorRef supervisor,
    ActorPath path,
    OwnerEntry entry)
    : LocalActorRef(system, props, dispatcher, mailbox, supervisor, path)
{
    public OwnerEntry Entry { get; } = entry;
}
