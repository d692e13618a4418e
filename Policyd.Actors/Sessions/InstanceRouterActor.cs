using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Chain;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;

namespace Policyd.Actors.Sessions;

/// <summary>
/// Parent of the sessions of its share of the instances: finds or makes the actor of an instance, and counts what that
/// actor has not handled yet, so that an instance is dropped only when nothing is on its way to it. Actors that fell quiet
/// are kept for the next instance: starting and stopping one for each costs more than the rest of the way.
/// The requests of an actor that dies are failed here, not by the actor: what is sent between its death and the news of
/// it reaches nobody else.
/// </summary>
internal sealed class InstanceRouterActor : UntypedActor
{
    private readonly Dictionary<string, Lease> _instances = new(StringComparer.Ordinal);
    private readonly Dictionary<IActorRef, Lease> _actors = [];
    private readonly Stack<Lease> _quiet = new();
    private readonly Props _sessions;
    private readonly RouterSettings _settings;
    private readonly ILogger _logger;

    public InstanceRouterActor(RequestRunner runner, RouterSettings settings, ILogger logger)
    {
        _sessions = Akka.Actor.Props.CreateBy(new Producer<SessionActor>(() => new SessionActor(runner)))
            .WithDispatcher(settings.SessionDispatcher);
        _settings = settings;
        _logger = logger;
    }

    public static Props Props(RequestRunner runner, RouterSettings settings, ILogger logger) =>
        Akka.Actor.Props.CreateBy(new Producer<InstanceRouterActor>(() => new InstanceRouterActor(runner, settings, logger)));

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(static _ => Directive.Stop);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case PendingRequest pending:
                Route(pending);
                break;
            case SessionProtocol.Handled handled:
                Release(handled.Count);
                break;
            case Terminated terminated:
                Forget(terminated.ActorRef);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Route(PendingRequest pending)
    {
        var now = Environment.TickCount64;
        Lease? lease = null;
        if (pending.Instance.Length > 0
            && _instances.TryGetValue(pending.Instance, out lease)
            && now - lease.Since > _settings.StuckAfter)
        {
            SessionLog.Replaced(_logger, LogValue.Quote(pending.Instance), (now - lease.Since) / 1000);
            Abandon(lease);
            lease = null;
        }

        if (lease is null)
        {
            lease = TakeQuiet() ?? Start();
            lease.Instance = pending.Instance;
            lease.Since = now;
            if (pending.Instance.Length > 0)
            {
                _instances.Add(pending.Instance, lease);
            }
        }

        lease.Outstanding.Enqueue(pending);
        lease.Actor.Tell(pending);
    }

    private Lease? TakeQuiet()
    {
        while (_quiet.TryPop(out var lease))
        {
            if (_actors.ContainsKey(lease.Actor))
            {
                return lease;
            }
        }

        return null;   // those that were there have died since
    }

    private Lease Start()
    {
        var lease = new Lease(Context.Watch(Context.ActorOf(_sessions)));
        _actors.Add(lease.Actor, lease);
        return lease;
    }

    private void Release(int handled)
    {
        if (!_actors.TryGetValue(Sender, out var lease))
        {
            return;   // one that was given up
        }

        lease.Since = Environment.TickCount64;
        for (; handled > 0; handled--)
        {
            lease.Outstanding.Dequeue();   // an actor handles its requests in their order
        }

        if (lease.Outstanding.Count > 0)
        {
            return;
        }

        _instances.Remove(lease.Instance);
        lease.Instance = "";
        if (_quiet.Count < _settings.KeepQuiet)
        {
            _quiet.Push(lease);
        }
        else
        {
            Abandon(lease);
        }
    }

    private void Abandon(Lease lease)
    {
        Context.Stop(lease.Actor);
        Forget(lease.Actor);
    }

    private void Forget(IActorRef actor)
    {
        if (_actors.Remove(actor, out var lease))
        {
            _instances.Remove(lease.Instance);
            while (lease.Outstanding.TryDequeue(out var pending))
            {
                pending.Complete(new ChainOutcome(null, null, "the session failed", new Session()));
            }
        }
    }

    /// <summary>A session actor, the instance it works for and its requests that are not handled yet.</summary>
    private sealed class Lease(IActorRef actor)
    {
        public IActorRef Actor { get; } = actor;

        public string Instance { get; set; } = "";

        public Queue<PendingRequest> Outstanding { get; } = new();

        /// <summary>When it last finished something, or got its first request.</summary>
        public long Since { get; set; }
    }
}
