using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Policyd.Tests.Support;

/// <summary>Keeps what is logged, so that a test can ask that a mistake left one line and not a hundred.</summary>
internal sealed class LogCapture : ILoggerProvider, ILoggerFactory
{
    private readonly ConcurrentQueue<(LogLevel Level, string Message)> _lines = new();

    public IReadOnlyList<(LogLevel Level, string Message)> Lines => [.. _lines];

    public IEnumerable<string> Containing(string part) =>
        _lines.Select(line => line.Message).Where(message => message.Contains(part, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => new Capturing(_lines);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    private sealed class Capturing(ConcurrentQueue<(LogLevel Level, string Message)> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue((logLevel, formatter(state, exception)));
    }
}
