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
    // Akka's remoting writes these under no type of its own.
    private static readonly string[] s_ofConnections = ["AssociationError ", "Association to ", "Tried to associate with unreachable "];

    private readonly ILogger _logger =
        Context.System.Settings.Setup.Get<LoggerFactorySetup>().Value.LoggerFactory.CreateLogger("Policyd.Akka");

    private readonly bool _nodesAreTold = Context.System.Settings.Config.HasPath(NodeTransport.Path);

    protected override void Log(AkkaEvent.LogEvent log, ActorPath path)
    {
        var space = log.LogClass?.Namespace ?? string.Empty;
        var isAkkas = IsIn("Akka", space);
        var level = log.LogLevel() switch
        {
            _ when _nodesAreTold && IsOfOtherNodes(log, space) => LogLevel.Trace,
            AkkaEvent.LogLevel.ErrorLevel => LogLevel.Error,
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

    // That a node is not reached, looks for its coordinator or was removed: Akka repeats it several times a second, in part with stack
    // traces. Our own lines tell it once. What is left are errors, messages that cannot be read, and heartbeats that are late.
    private static bool IsOfOtherNodes(AkkaEvent.LogEvent log, string space)
    {
        if (log.Cause?.GetType().Namespace == "Akka.Remote")
        {
            return true;
        }

        var level = log.LogLevel();
        if (level < AkkaEvent.LogLevel.WarningLevel || !IsIn("Akka", space))
        {
            return false;
        }

        var text = $"{log.Message}";
        return s_ofConnections.Any(start => text.StartsWith(start, StringComparison.Ordinal))
            || (level == AkkaEvent.LogLevel.WarningLevel && (IsIn("Akka.Remote", space) || IsIn("Akka.Cluster", space))
                && !text.StartsWith("Deserialization failed", StringComparison.Ordinal)
                && !text.Contains("heartbeat", StringComparison.Ordinal));
    }

    private static bool IsIn(string root, string space) =>
        space.StartsWith(root, StringComparison.Ordinal) && (space.Length == root.Length || space[root.Length] == '.');
}
