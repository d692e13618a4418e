using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Metrics;

namespace Policyd.Plugins.Sources;

/// <summary>
/// What is logged of a source that is away: one line at once, then one every ten seconds with the count of calls that went on without it,
/// and one when it answers again. Never a line a mail.
/// </summary>
/// <param name="source">What is away and answers again: a name for the log.</param>
/// <param name="clock">The clock.</param>
/// <param name="kind">What a plugin's source is called in the metrics <c>policyd_source_…</c>, such as <c>fail2ban</c>; their label
/// <c>connection</c> is the plugin's name. Null: it is not counted, or by what asks it.</param>
public sealed class SourceLog(string source, TimeProvider clock, string? kind = null)
{
    private readonly LogThrottle _throttle = new(clock);
    private volatile string _why = "is unavailable";

    /// <summary>A call goes on without the source.</summary>
    /// <param name="logger">The log.</param>
    /// <param name="why">What failed; null: the same as last time, since the source was not asked.</param>
    public void Away(ILogger logger, string? why)
    {
        _why = why ?? _why;
        if (_throttle.Enter(out var leftOut))
        {
            ChainLog.Write(logger, LogLevel.Warning, AwayLine(leftOut));
        }
    }

    /// <summary>The same from a plugin: a mail goes on without the source.</summary>
    /// <param name="context">The mail's request.</param>
    /// <param name="plugin">The plugin.</param>
    /// <param name="why">What failed; null: the same as last time.</param>
    public void Away(PluginContext context, Plugin plugin, string? why)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(plugin);
        if (kind is not null)
        {
            SourceMetrics.Failed(kind, plugin.Name);
            if (why is null)
            {
                SourceMetrics.Suppressed(kind, plugin.Name);
            }
        }

        _why = why ?? _why;
        context.Note(source, _why);
        if (_throttle.Enter(out var leftOut))
        {
            context.Log(PolicyLogLevel.Warning, plugin, AwayLine(leftOut));
        }
        else if (context.Run.Logger.IsEnabled(PolicyLogLevel.Debug.ToLogLevel()))
        {
            // Who looks for one mail at the level that tells everything must find why it went as it did.
            context.Log(PolicyLogLevel.Debug, plugin, AwayLine(0));
        }
    }

    /// <summary>The source has answered. To be called at each answer: it costs nothing while all is well.</summary>
    /// <param name="logger">The log.</param>
    public void Back(ILogger logger)
    {
        if (_throttle.Leave(out var after, out var count))
        {
            ChainLog.Write(logger, LogLevel.Warning, BackLine(after, count));
        }
    }

    /// <summary>The same from a plugin.</summary>
    /// <param name="context">The request that was answered.</param>
    /// <param name="plugin">The plugin.</param>
    /// <param name="asked">When it was asked, by <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/>; null: the time is not recorded.
    /// </param>
    public void Back(PluginContext context, Plugin plugin, long? asked = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(plugin);
        if (kind is not null && asked is { } since)
        {
            SourceMetrics.Answered(kind, plugin.Name, since);
        }

        if (_throttle.Leave(out var after, out var count))
        {
            context.Log(PolicyLogLevel.Warning, plugin, BackLine(after, count));
        }
    }

    private string AwayLine(long leftOut) =>
        leftOut == 0
            ? $"{source}: {_why}"
            : string.Create(CultureInfo.InvariantCulture, $"{source}: {_why} ({leftOut} more since the last line)");

    private string BackLine(TimeSpan after, long count) =>
        string.Create(
            CultureInfo.InvariantCulture, $"{source}: answers again after {after.TotalSeconds:0.0} s; {count} calls went on without it");
}
