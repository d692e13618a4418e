using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Server;

/// <summary>
/// The end that nobody asked for: the cluster removed this node, or something without which no mail is answered has ended. The host makes
/// an exit code of it, so that a service manager starts the server again instead of taking it for stopped.
/// </summary>
internal static partial class UnexpectedEnd
{
    /// <summary>Why the system ends, or has ended, by itself; null while it runs, and when its host stops it.</summary>
    public static string? ReasonOf(ActorSystem system) => CoordinatedShutdown.Get(system).ShutdownReason switch
    {
        null or CoordinatedShutdown.ClrExitReason => null,
        Failure failure => failure.Why,
        NoMember lost => lost.Why,
        CoordinatedShutdown.ClusterDowningReason => "the cluster considered this node down and removed it",
        CoordinatedShutdown.ClusterLeavingReason => "this node was told to leave its cluster",
        _ => "its actor system has ended",
    };

    /// <summary>Whether the node ended because it is no member of its cluster any more: its next life may be one.</summary>
    public static bool ComesBack(ActorSystem system) => CoordinatedShutdown.Get(system).ShutdownReason
        is CoordinatedShutdown.ClusterDowningReason or NoMember;

    /// <summary>Ends this life of a node that is no member of its cluster any more.</summary>
    public static void LeaveCluster(ActorSystem system, ILogger logger, string why)
    {
        var shutdown = CoordinatedShutdown.Get(system);
        if (shutdown.ShutdownReason is null)
        {
            LeavesCluster(logger, why);
            _ = shutdown.Run(new NoMember(why));
        }
    }

    /// <summary>Ends the system as a clean stop would, so that counts are written, unless it is ending already.</summary>
    public static void Begin(ActorSystem system, ILogger logger, string why)
    {
        var shutdown = CoordinatedShutdown.Get(system);
        if (shutdown.ShutdownReason is null)
        {
            Ends(logger, why);
            _ = shutdown.Run(new Failure(why));
        }
    }

    /// <summary>Watches actors that the server cannot do without.</summary>
    public static void Watch(ActorSystem system, ILogger logger, IEnumerable<IActorRef> essential)
    {
        IActorRef[] actors = [.. essential];
        if (actors.Length > 0)
        {
            system.ActorOf(Props.CreateBy(new Producer<Watcher>(() => new Watcher(actors, logger))));
        }
    }

    [LoggerMessage(EventId = 32, Level = LogLevel.Critical, Message = "{Why}; the server cannot work without it and stops")]
    private static partial void Ends(ILogger logger, string why);

    [LoggerMessage(EventId = 87, Level = LogLevel.Error, Message = "cluster: this node is no member any more: {Why}; it begins anew")]
    private static partial void LeavesCluster(ILogger logger, string why);

    private sealed class NoMember(string why) : CoordinatedShutdown.Reason
    {
        public string Why { get; } = why;

        // Of no effect: the host ends the process, or begins anew in it.
        public override int ExitCode => 1;
    }

    private sealed class Failure(string why) : CoordinatedShutdown.Reason
    {
        public string Why { get; } = why;

        // Of no effect: the host ends the process.
        public override int ExitCode => 1;
    }

    private sealed class Watcher(IActorRef[] essential, ILogger logger) : UntypedActor
    {
        protected override void PreStart() => Array.ForEach(essential, static actor => Context.Watch(actor));

        protected override void OnReceive(object message)
        {
            if (message is Terminated ended)
            {
                Begin(Context.System, logger, $"the actor {ended.ActorRef.Path.ToStringWithoutAddress()} has ended");
            }
            else
            {
                Unhandled(message);
            }
        }
    }
}
