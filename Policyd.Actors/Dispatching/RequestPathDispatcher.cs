using Akka.Configuration;
using Akka.Dispatch;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// The dispatcher of the actors that a request goes through, as two instances: one of the connections and routers, one of the sessions,
/// whose plugins may block their thread. What it does with a mailbox is told at <see cref="RunNext"/>.
/// </summary>
internal sealed class RequestPathDispatcher : MessageDispatcher
{
    /// <summary>The name of that of connections and routers in the settings of the actor system.</summary>
    public const string Connections = "policyd.connections-dispatcher";

    /// <summary>The name of that of the sessions.</summary>
    public const string Sessions = "policyd.sessions-dispatcher";

    private readonly bool _mayBlock;

    public RequestPathDispatcher(MessageDispatcherConfigurator configurator, Config settings)
        : base(configurator)
    {
        Id = settings.GetString("id");
        Throughput = settings.GetInt("throughput");
        ShutdownTimeout = settings.GetTimeSpan("shutdown-timeout");
        _mayBlock = settings.GetBoolean("may-block");
    }

    protected override void ExecuteTask(IRunnable run)
    {
        if (_mayBlock)
        {
            RunNext.ExecuteBlocking(run);
        }
        else
        {
            RunNext.Execute(run);
        }
    }

    protected override void Shutdown()
    {
    }
}

/// <summary>Makes one. The settings name it, and Akka makes it by reflection.</summary>
internal sealed class RequestPathDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly RequestPathDispatcher _dispatcher;

    public RequestPathDispatcherConfigurator(Config settings, IDispatcherPrerequisites prerequisites)
        : base(settings, prerequisites) => _dispatcher = new RequestPathDispatcher(this, settings);

    public override MessageDispatcher Dispatcher() => _dispatcher;
}
