using Microsoft.Extensions.Logging;
using Policyd.Configuration.Values;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Life;

/// <summary>Starts and ends plugins: all at the same time, since each may wait for something else, and none longer than its time.</summary>
/// <param name="logger">The log.</param>
internal sealed class PluginLife(ILogger logger)
{
    private static readonly TimeSpan s_slow = TimeSpan.FromSeconds(5);

    /// <summary>Starts plugins.</summary>
    /// <param name="plugins">Those that have not been started yet.</param>
    /// <param name="timeout">How long that may take.</param>
    /// <param name="ct">The server is stopped before it has started.</param>
    /// <exception cref="PluginStartException">At least one cannot start, or is not done in time; the first of them is told.</exception>
    public Task StartAsync(IEnumerable<Plugin> plugins, TimeSpan timeout, CancellationToken ct) => Task.WhenAll(
        plugins.Where(static plugin => PluginCall.Overrides(plugin, nameof(Plugin.StartAsync)))
            .Select(plugin => StartAsync(plugin, timeout, ct)));

    /// <summary>Ends plugins; what goes wrong is logged.</summary>
    /// <param name="plugins">Those that no request runs through any more.</param>
    /// <param name="timeout">How long that may take.</param>
    public Task EndAsync(IEnumerable<Plugin> plugins, TimeSpan timeout) =>
        Task.WhenAll(plugins.Where(static plugin => plugin is IAsyncDisposable or IDisposable || plugin.Owned.Count > 0)
            .Select(plugin => EndAsync(plugin, timeout)));

    private async Task StartAsync(Plugin plugin, TimeSpan timeout, CancellationToken ct)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(ct);
        time.CancelAfter(timeout);
        var start = PluginCall.Begin(() => plugin.StartAsync(time.Token));
        try
        {
            await WaitAsync(start, plugin, "starting", timeout, time.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested && time.IsCancellationRequested)
        {
            throw new PluginStartException(
                $"plugin {plugin.Name} has not started within {DurationText.Format(timeout)} (plugin_start_timeout)");
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            throw new PluginStartException($"plugin {plugin.Name} cannot start: {e.Message}", e);
        }
        finally
        {
            start.Abandon();
        }
    }

    private async Task EndAsync(Plugin plugin, TimeSpan timeout)
    {
        var end = PluginCall.Begin(() => EndAsync(plugin));
        try
        {
            await WaitAsync(end, plugin, "ending", timeout, CancellationToken.None).WaitAsync(timeout).ConfigureAwait(false);
        }
        catch (TimeoutException) when (!end.IsCompleted)
        {
            PluginLifeLog.EndsNot(logger, plugin.Name, DurationText.Format(timeout));
        }
        catch (Exception e)
        {
            ChainLog.Write(logger, LogLevel.Error, $"plugin {plugin.Name} failed at its end: {e.Message}");
        }
        finally
        {
            end.Abandon();
        }
    }

    private async Task WaitAsync(Task task, Plugin plugin, string what, TimeSpan timeout, CancellationToken ct)
    {
        if (s_slow < timeout)
        {
            using var done = CancellationTokenSource.CreateLinkedTokenSource(ct);
            await Task.WhenAny(task, Task.Delay(s_slow, done.Token)).ConfigureAwait(false);
            await done.CancelAsync().ConfigureAwait(false);
            if (!task.IsCompleted && !ct.IsCancellationRequested)
            {
                PluginLifeLog.IsSlow(logger, plugin.Name, what, DurationText.Format(s_slow), DurationText.Format(timeout));
            }
        }

        await task.WaitAsync(ct).ConfigureAwait(false);
    }

    private static async ValueTask EndAsync(Plugin plugin)
    {
        try
        {
            if (plugin is IAsyncDisposable ends)
            {
                await ends.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                (plugin as IDisposable)?.Dispose();
            }
        }
        finally
        {
            // After its own end, in which it may use them once more.
            foreach (var owned in plugin.Owned)
            {
                owned.Dispose();
            }
        }
    }
}

/// <summary>A plugin that cannot start; the message is for the operator.</summary>
/// <param name="message">Which one, and why.</param>
/// <param name="inner">The cause; null when it was late.</param>
public sealed class PluginStartException(string message, Exception? inner = null) : Exception(message, inner);
