using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Policyd.Configuration.Values;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Life;

/// <summary>
/// Gives periodic work its turn at a tick, for no longer than its time: work that never ends keeps no other waiting, and has no further
/// turn before it has ended.
/// </summary>
/// <param name="cron">The tick.</param>
/// <param name="timeout">How long one piece of work may take.</param>
internal sealed class CronTurn(CronContext cron, TimeSpan timeout)
{
    private static readonly Counter<long> s_late = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.cron.timeouts",
        "{run}",
        "Periodic work of a plugin, or of the counters, that took longer than cron { timeout }, or was skipped since it still ran.");

    // For work that heeds its cancellation, so that it is said to be late and not to run on.
    private static readonly TimeSpan s_toCancel = TimeSpan.FromSeconds(5);

    /// <summary>Runs the work. What fails is logged.</summary>
    /// <param name="what">What the log calls it.</param>
    /// <param name="plugin">What the metric calls it.</param>
    /// <param name="former">Its former run; null when there was none.</param>
    /// <param name="begin">Begins it and keeps the run. The token is cancelled when the time is over.</param>
    /// <returns>Whether it was done.</returns>
    public async ValueTask<bool> RunAsync(string what, string plugin, Task? former, Func<CancellationToken, Task> begin)
    {
        if (former is { IsCompleted: false })
        {
            s_late.Add(1, KeyValuePair.Create<string, object?>("plugin", plugin));
            PluginLifeLog.CronStillRuns(cron.Logger, what);
            return false;
        }

        // Not disposed of work that runs on: it may still look at it.
        var time = CancellationTokenSource.CreateLinkedTokenSource(cron.Cancellation);
        time.CancelAfter(timeout);
        var run = begin(time.Token);
        try
        {
            await run.WaitAsync(timeout + s_toCancel, cron.Cancellation).ConfigureAwait(false);
            time.Dispose();
            return true;
        }
        catch (Exception e) when (!cron.Cancellation.IsCancellationRequested)
        {
            if (time.IsCancellationRequested)
            {
                s_late.Add(1, KeyValuePair.Create<string, object?>("plugin", plugin));
            }

            Tell(what, run, e, time.IsCancellationRequested);
            return false;
        }
        finally
        {
            run.Abandon();
        }
    }

    private void Tell(string what, Task run, Exception e, bool isLate)
    {
        if (!run.IsCompleted)
        {
            PluginLifeLog.CronRunsOn(cron.Logger, what, DurationText.Format(timeout));
        }
        else if (isLate && e is OperationCanceledException)
        {
            PluginLifeLog.CronTimedOut(cron.Logger, what, DurationText.Format(timeout));
        }
        else
        {
            ChainLog.Write(cron.Logger, LogLevel.Error, $"cron of {what} failed: {e.Message}");
        }
    }
}
