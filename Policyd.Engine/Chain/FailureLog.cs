using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Chain;

/// <summary>
/// Which failures of a virtual host's plugins are logged: the first of a plugin at once, then one every ten seconds with a count. A
/// database that is away fails a plugin at each mail.
/// </summary>
internal sealed class FailureLog(TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, LogThrottle> _byPlugin = new(StringComparer.Ordinal);
    private volatile bool _anyFailed;

    /// <summary>Whether this failure is to be logged.</summary>
    /// <param name="plugin">The plugin that failed.</param>
    /// <param name="more">How many were left out, for the end of the line.</param>
    public bool IsDue(string plugin, out string more)
    {
        _anyFailed = true;
        var isDue = _byPlugin.GetOrAdd(plugin, static (_, clock) => new LogThrottle(clock), clock).Enter(out var leftOut);
        more = leftOut == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({leftOut} more since the last line)");
        return isDue;
    }

    /// <summary>
    /// A plugin has not failed. One that failed more than once has a line about it; it costs a read of a flag while none has.
    /// </summary>
    public void Answered(string plugin, string virtualHost, ILogger logger)
    {
        if (_anyFailed && _byPlugin.TryGetValue(plugin, out var throttle) && throttle.Leave(out var after, out var count) && count > 1)
        {
            ChainLog.Write(
                logger,
                LogLevel.Warning,
                new PluginMessage(
                    virtualHost,
                    "",
                    plugin,
                    string.Create(CultureInfo.InvariantCulture, $"works again after {after.TotalSeconds:0.0} s and {count} failures")));
        }
    }
}
