using Akka.Actor;
using Akka.Hosting.Logging;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Network;
using AkkaEvent = Akka.Event;

namespace Policyd.Actors.Hosting;

/// <summary>
/// Akka's events as lines of our log. The logger it derives from writes time, level, thread and actor before each message, which
/// our lines have already or have no use for; this one says only whether Akka itself speaks. What Akka notices of its own life
/// is debug (4): it tells of no mail and of nothing that an operator can do.
/// </summary>
internal sealed class AkkaLog : LoggerFactoryLogger
{
    private readonly ILogger _logger =
        Context.System.Settings.Setup.Get<LoggerFactorySetup>().Value.LoggerFactory.CreateLogger("Policyd.Akka");

    private readonly bool _nodesAreTold = Context.System.Settings.Config.HasPath(NodeTransport.Path);

    protected override void Log(AkkaEvent.LogEvent log, ActorPath path)
    {
        var isAkkas = log.LogClass?.Namespace is { } name && (name == "Akka" || name.StartsWith("Akka.", StringComparison.Ordinal));
        var level = log.LogLevel() switch
        {
            AkkaEvent.LogLevel.ErrorLevel => LogLevel.Error,
            AkkaEvent.LogLevel.WarningLevel when _nodesAreTold && IsOfUnreachableNode(log) => LogLevel.Trace,
            AkkaEvent.LogLevel.WarningLevel => LogLevel.Warning,
            AkkaEvent.LogLevel.InfoLevel => isAkkas ? LogLevel.Trace : LogLevel.Information,
            _ => LogLevel.Trace,
        };
        if (_logger.IsEnabled(level))
        {
            // As text, now: the message may hold what its actor changes afterwards.
            _logger.Log(level, default, isAkkas ? $"akka: {log.Message}" : $"{log.Message}", log.Cause, static (text, _) => text);
        }
    }

    // Akka repeats it at each attempt; our transport has told it, and why, once in a while.
    private static bool IsOfUnreachableNode(AkkaEvent.LogEvent log) =>
        log.LogClass?.FullName == "Akka.Remote.EndpointManager"
            && log.Message is AkkaEvent.LogMessage { Format: var format }
            && format.StartsWith("Tried to associate with unreachable", StringComparison.Ordinal);
}
