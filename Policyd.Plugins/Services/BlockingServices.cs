using Policyd.Plugins.Api;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Threads;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin runs code that blocks its thread.</summary>
public static class BlockingServices
{
    /// <summary>
    /// Runs code that blocks, such as that of a library without asynchronous calls, on a thread of the plugin's own. A plugin has at most
    /// 64 of them, all plugins together have 256; what comes on top waits for one.
    /// </summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="plugin">The plugin: <c>this</c>.</param>
    /// <param name="work">The code. It must not keep the context or the request, which are others' once the plugin's time is over.</param>
    /// <exception cref="TimeoutException">The plugin's time is nearly over. The thread is held until the code ends; code that has not begun
    /// is left out.</exception>
    /// <exception cref="InvalidOperationException">10,000 runs of the plugin wait for a thread already.</exception>
    public static async ValueTask<T> RunBlockingAsync<T>(this PluginContext context, Plugin plugin, Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(plugin);
        ArgumentNullException.ThrowIfNull(work);
        var since = context.Clock.GetTimestamp();
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var timeout = SourceTime.For(context, TimeSpan.MaxValue);
        var token = timeout.Token;
        var threads = plugin.Threads;
        if (!threads.TryRun(() => Run(work, result, threads.Asked, token)))
        {
            throw new InvalidOperationException("all threads of the plugin are held, and too many runs wait for one");
        }

        try
        {
            return await result.Task.WaitAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!result.Task.IsCompleted)
        {
            result.Task.Abandon();
            throw new TimeoutException($"the blocking code {Waited.TimedOut(context.Clock, since)}", e);
        }
    }

    private static void Run<T>(Func<T> work, TaskCompletionSource<T> result, ThreadTurns turns, CancellationToken ct)
    {
        if (ct.IsCancellationRequested)
        {
            result.TrySetCanceled(ct);
            return;
        }

        var turn = turns.Begin();
        try
        {
            result.TrySetResult(work());
        }
        catch (Exception e)
        {
            result.TrySetException(e);
        }
        finally
        {
            turns.End(turn);
        }
    }
}
