using Microsoft.Extensions.Logging;

namespace Policyd.Server.Logging;

/// <summary>One line to be: its text is made by the writer's thread, so that the request path pays only for the queue.</summary>
internal readonly record struct LogEvent(DateTimeOffset Time, LogSeverity Severity, object Message)
{
    public string Text() => LogText.OneLine(Message is DeferredMessage deferred ? deferred.Format() : (string)Message);
}

internal abstract class DeferredMessage
{
    public abstract string Format();
}

/// <summary>A message not yet formatted. What it refers to must not change after the call; log arguments here are strings and numbers.</summary>
internal sealed class DeferredMessage<TState>(TState state, Exception? exception, Func<TState, Exception?, string> formatter, bool stack) : DeferredMessage
{
    public override string Format()
    {
        try
        {
            var text = formatter(state, exception);
            return exception is null ? text : LogText.WithException(text, exception, stack);
        }
        catch (Exception broken) when (broken is FormatException or InvalidOperationException or NullReferenceException)
        {
            // A message with a wrong template must not cost the lines around it.
            return $"a log message could not be formatted: {broken.Message}";
        }
    }
}

/// <summary>The logger that every category shares: the category is no part of the line, which already names its vhost or listener.</summary>
internal sealed class PolicydLogger(LogQueue queue, LogSeverity level, TimeProvider clock) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && LogLevels.SeverityOf(logLevel) <= level;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        var message = new DeferredMessage<TState>(state, exception, formatter, level == LogSeverity.Debug);
        queue.Write(new LogEvent(clock.GetLocalNow(), LogLevels.SeverityOf(logLevel), message));
    }
}
