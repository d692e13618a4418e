using System.Buffers;
using System.Text;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Logging;

namespace Policyd.Server.Logging;

/// <summary>One line to be: its text is made by the writer's thread, so that the request path pays only for the queue.</summary>
/// <param name="Time">When it was said.</param>
/// <param name="Severity">How grave it is.</param>
/// <param name="Message">A text, a <see cref="LogRecord"/> or a <see cref="DeferredMessage"/>.</param>
internal readonly record struct LogEvent(DateTimeOffset Time, LogSeverity Severity, object Message)
{
    /// <summary>The memory in bytes that the message keeps in use.</summary>
    public int Weight => Message is LogRecord record ? record.Weight : 0;

    /// <summary>Nobody reads it any more.</summary>
    public void Written() => (Message as LogRecord)?.Written();

    public string Text()
    {
        var line = new ArrayBufferWriter<byte>();
        AppendText(line);
        return Encoding.UTF8.GetString(line.WrittenSpan);
    }

    public void AppendText(ArrayBufferWriter<byte> line)
    {
        if (Message is LogRecord record)
        {
            record.WriteText(line);
            return;
        }

        var text = Message is DeferredMessage deferred ? deferred.Format() : (string)Message;
        Encoding.UTF8.GetBytes(LogText.OneLine(text), line);
    }

    public void AppendJson(ArrayBufferWriter<byte> line, bool whole)
    {
        line.Write("{\"time\":\""u8);
        LogTime.Append(line, Time);
        line.Write("\",\"level\":\""u8);
        Encoding.UTF8.GetBytes(Severity.Name(), line);
        line.Write("\""u8);
        var members = new JsonMembers(line, whole);
        switch (Message)
        {
            case LogRecord record:
                record.WriteJson(members);
                break;
            case DeferredMessage deferred:
                deferred.WriteJson(members);
                break;
            default:
                members.Text("message"u8, (string)Message, JsonMembers.MaxTextBytes);
                break;
        }

        line.Write("}"u8);
    }
}

/// <summary>
/// The logger that every category shares: the category is no part of the line, which already names its vhost or listener.
/// </summary>
internal sealed class PolicydLogger(LogQueue queue, LogSeverity level, TimeProvider clock) : ILogger
{
    private volatile LogSeverity _level = level;

    public LogSeverity Level
    {
        get => _level;
        set => _level = value;
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && LogLevels.SeverityOf(logLevel) <= _level;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        object message = state is LogRecord ? state : new DeferredMessage<TState>(state, exception, formatter, _level == LogSeverity.Debug);
        queue.Write(new LogEvent(clock.GetLocalNow(), LogLevels.SeverityOf(logLevel), message));
    }
}
