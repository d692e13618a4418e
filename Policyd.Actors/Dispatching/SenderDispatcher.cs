using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;

namespace Policyd.Actors.Dispatching;

/// <summary>The dispatcher of actors whose mailboxes run as <see cref="SenderTurn"/> tells.</summary>
internal sealed class SenderDispatcher : MessageDispatcher
{
    // As many messages as Akka's own takes at one time.
    private const int MessagesOfARun = 30;

    private SenderDispatcher(MessageDispatcherConfigurator configurator)
        : base(configurator)
    {
        Id = "policyd.sender-dispatcher";
        Throughput = MessagesOfARun;
    }

    /// <summary>That of an actor system; its name is what Props call it by.</summary>
    public static SenderDispatcher Of(ActorSystem system)
    {
        system.Dispatchers.RegisterConfigurator(
            "policyd.sender-dispatcher", new ConfiguratorOfOne(Config.Empty, system.Dispatchers.Prerequisites));
        return (SenderDispatcher)system.Dispatchers.Lookup("policyd.sender-dispatcher");
    }

    protected override void ExecuteTask(IRunnable run) => SenderTurn.Execute(run);

    protected override void Shutdown()
    {
    }

    private sealed class ConfiguratorOfOne : MessageDispatcherConfigurator
    {
        private readonly SenderDispatcher _dispatcher;

        public ConfiguratorOfOne(Config config, IDispatcherPrerequisites prerequisites)
            : base(config, prerequisites) => _dispatcher = new SenderDispatcher(this);

        public override MessageDispatcher Dispatcher() => _dispatcher;
    }
}
