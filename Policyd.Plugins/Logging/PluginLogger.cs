using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Logging;

/// <summary>
/// The log as a plugin is given it: each line tells whose it is, as <c>VHOST: instance=I plugin=P: message</c>, however the plugin writes
/// it.
/// </summary>
/// <param name="log">The server's log.</param>
/// <param name="virtualHost">The virtual host of the plugin's chain.</param>
/// <param name="plugin">The plugin's name.</param>
/// <param name="instance">The instance of the request that the lines are about; empty when they are about none.</param>
internal sealed class PluginLogger(ILogger log, string virtualHost, string plugin, string instance = "") : ILogger
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => log.BeginScope(state);

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(logLevel);

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        ArgumentNullException.ThrowIfNull(formatter);
        if (state is LogRecord)
        {
            log.Log(logLevel, eventId, state, exception, formatter);
        }
        else if (log.IsEnabled(logLevel))
        {
            var text = formatter(state, exception);
            LogRecord line = new PluginMessage(virtualHost, instance, plugin, exception is null ? text : $"{text}: {exception.Message}");
            log.Log(logLevel, eventId, line, null, LogRecord.Formatter);
        }
    }
}
