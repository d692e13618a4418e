using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Policyd.Configuration.Values;
using Policyd.Engine.Chain;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Life;

/// <summary>
/// Runs the periodic work of a virtual host's plugins, one after the other, each no longer than its time: one that never ends keeps no
/// other waiting, and gets no further tick before it has ended.
/// </summary>
/// <param name="virtualHost">The virtual host's name.</param>
/// <param name="timeout">How long one plugin may take.</param>
internal sealed class PluginCron(string virtualHost, TimeSpan timeout)
{
    private static readonly Counter<long> s_late = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.cron.timeouts",
        "{run}",
        "Periodic work of a plugin that took longer than cron { timeout }, or was skipped since it still ran.");

    // For work that heeds its cancellation, so that it is said to be late and not to run on.
    private static readonly TimeSpan s_toCancel = TimeSpan.FromSeconds(5);

    /// <summary>Runs the work of every plugin and of those nested in them; one that fails is logged and hinders no other.</summary>
    /// <param name="chain">The chain.</param>
    /// <param name="cron">The tick.</param>
    /// <returns>How many plugins failed.</returns>
    public async ValueTask<int> RunAsync(PluginChain chain, CronContext cron)
    {
        var failures = 0;
        foreach (var plugin in chain.All.Where(static plugin => PluginCall.Overrides(plugin, nameof(Plugin.CronAsync))))
        {
            failures += await RunAsync(plugin, cron).ConfigureAwait(false) ? 0 : 1;
        }

        return failures;
    }

    private async ValueTask<bool> RunAsync(Plugin plugin, CronContext cron)
    {
        if (plugin.CronRun is { IsCompleted: false })
        {
            s_late.Add(1, KeyValuePair.Create<string, object?>("plugin", plugin.Name));
            PluginLifeLog.CronStillRuns(cron.Logger, plugin.Name, virtualHost);
            return false;
        }

        // Not disposed of one that runs on: it may still look at it.
        var time = CancellationTokenSource.CreateLinkedTokenSource(cron.Cancellation);
        var own = cron with { Logger = new PluginLogger(cron.Logger, virtualHost, plugin.Name), Cancellation = time.Token };
        time.CancelAfter(timeout);
        var run = plugin.CronRun = PluginCall.Begin(() => plugin.CronAsync(own));
        try
        {
            await run.WaitAsync(timeout + s_toCancel, cron.Cancellation).ConfigureAwait(false);
            time.Dispose();
            return true;
        }
        catch (Exception e) when (!cron.Cancellation.IsCancellationRequested)
        {
            Tell(plugin, run, e, time.IsCancellationRequested, cron.Logger);
            return false;
        }
        finally
        {
            run.Abandon();
        }
    }

    private void Tell(Plugin plugin, Task run, Exception e, bool isLate, ILogger logger)
    {
        if (isLate)
        {
            s_late.Add(1, KeyValuePair.Create<string, object?>("plugin", plugin.Name));
        }

        if (!run.IsCompleted)
        {
            PluginLifeLog.CronRunsOn(logger, plugin.Name, virtualHost, DurationText.Format(timeout));
        }
        else if (isLate && e is OperationCanceledException)
        {
            PluginLifeLog.CronTimedOut(logger, plugin.Name, virtualHost, DurationText.Format(timeout));
        }
        else
        {
            ChainLog.Write(logger, LogLevel.Error, $"cron of plugin {plugin.Name} failed: {e.Message}");
        }
    }
}
