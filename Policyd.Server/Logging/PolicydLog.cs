using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Policyd.Server.Logging;

/// <summary>
/// The process's one log as the factory that everything gets its logger from. No filter rules and no providers beside it:
/// the level of the configuration is the only switch, apart from the host's own chatter.
/// </summary>
internal sealed class PolicydLog(LogQueue queue, LogSeverity level) : ILoggerFactory
{
    private readonly PolicydLogger _logger = new(queue, level, TimeProvider.System);
    private readonly PolicydLogger _hostLogger = new(queue, OfHost(level), TimeProvider.System);

    // "Application started. Press Ctrl+C to shut down" tells an operator nothing; the host's errors do. A start that failed is
    // told once, by PolicydHost, and not by each layer that the exception passes.
    public ILogger CreateLogger(string categoryName) =>
        categoryName is "Akka.Hosting.AkkaHostedService" or "Microsoft.Extensions.Hosting.Internal.Host" ? NullLogger.Instance
        : categoryName.StartsWith("Microsoft.", StringComparison.Ordinal) ? _hostLogger
        : _logger;

    /// <summary>The least grave level that is written. May be changed at any time.</summary>
    public LogSeverity Level
    {
        get => _logger.Level;
        set => (_logger.Level, _hostLogger.Level) = (value, OfHost(value));
    }

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("policyd has one log");

    private static LogSeverity OfHost(LogSeverity level) => (LogSeverity)Math.Min((int)level, (int)LogSeverity.Warning);

    /// <summary>Nothing: the queue belongs to the caller, since the last lines are written after the host's end.</summary>
    public void Dispose()
    {
    }
}
