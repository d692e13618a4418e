using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Policyd.Tests.Support;

/// <summary>Keeps what is logged, so that a test can ask that a mistake left one line and not a hundred.</summary>
internal sealed class LogCapture(LogLevel least = LogLevel.Trace) : ILoggerProvider, ILoggerFactory
{
    private readonly ConcurrentQueue<(LogLevel Level, string Message)> _lines = new();

    public IReadOnlyList<(LogLevel Level, string Message)> Lines => [.. _lines];

    public IEnumerable<string> Containing(string part) =>
        _lines.Select(line => line.Message).Where(message => message.Contains(part, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => new Capturing(_lines, least);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    private sealed class Capturing(ConcurrentQueue<(LogLevel Level, string Message)> lines, LogLevel least) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lines.Enqueue((logLevel, formatter(state, exception)));
            }
        }
    }
}
