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
/// an immutable dictionary of all children, which for ten thousand of them is rebuilt at each birth and death. These have a supervisor of
/// their own instead, which knows what to do with any of them: one that fails ends, and one that has ended is told to its partition
/// (docs/adr/0040).
/// </summary>
internal sealed class OwnerFactory
{
    private readonly ActorSystemImpl _system;
    private readonly Props _props;
    private readonly MessageDispatcher _dispatcher;
    private readonly MailboxType _mailbox;
    private readonly ActorPath _parent;
    private long _number;

    public OwnerFactory(ActorSystem system, CounterNode node, ActorPath parent)
    {
        _system = (ActorSystemImpl)system;
        _props = CounterActor.Props(node);
        _dispatcher = SenderDispatcher.Of(system);
        _mailbox = new CounterMailbox(system.Settings, Config.Empty);
        _parent = parent;
    }

    /// <summary>
    /// Starts the owner of an entry. A key may be any text from strangers, so that it is no part of the name, which is a number.
    /// </summary>
    public void Start(OwnerEntry entry)
    {
        var path = new ChildActorPath(_parent, $"${++_number:x}", ActorCell.UndefinedUid);
        var actor = new LocalActorRef(_system, _props, _dispatcher, _mailbox, new Supervisor(path, _system, entry), path);
        entry.Begin(actor);
        actor.Start();
        actor.Tell(entry, ActorRefs.NoSender);
    }

    /// <summary>Ends an owner without a word; what it has handed over is committed all the same.</summary>
    public static void Stop(OwnerEntry entry) => entry.TellAnyway(PoisonPill.Instance);

    private sealed class Supervisor(ActorPath path, ActorSystemImpl system, OwnerEntry entry) : MinimalActorRef
    {
        public override ActorPath Path => path.Parent;

        public override IActorRefProvider Provider => system.Provider;

        public override void SendSystemMessage(ISystemMessage message)
        {
            switch (message)
            {
                case Failed failed:
                    system.EventStream.Publish(new Error(failed.Cause, path.ToString(), typeof(CounterActor), failed.Cause.Message));
                    ((IInternalActorRef)failed.Child).Stop();
                    break;
                case DeathWatchNotification:
                    entry.Partition.Tell(new CounterProtocol.OwnerEnded(entry), ActorRefs.NoSender);
                    break;
            }
        }
    }
}
