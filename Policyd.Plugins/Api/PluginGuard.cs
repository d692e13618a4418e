using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Threads;

namespace Policyd.Plugins.Api;

/// <summary>
/// Runs a plugin whose code is not ours, so that it cannot hold the threads that answer other requests. Its code runs on the request's own
/// thread as long as it is quick: at most on one fewer of them than there are processors at a time. What comes on top, and all of a plugin
/// that has once held a thread for a tenth of a second, runs on threads of the plugin's own. What goes on after an <c>await</c> runs on the
/// pool, and is timed as well.
/// </summary>
[SuppressMessage("Reliability", "CA2012", Justification = "The run is handed on, or made a task of, once.")]
internal sealed class PluginGuard : SynchronizationContext
{
    /// <summary>Whoever holds a thread longer than this blocks it.</summary>
    public static readonly TimeSpan Held = TimeSpan.FromMilliseconds(100);

    // A thread that is held longer is told of while it still is.
    private static readonly TimeSpan s_told = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_between = TimeSpan.FromSeconds(10);

    // Code for which the plugin has asked for a thread may hold it, but no request lives that long: it has no end, or no time limit.
    private static readonly TimeSpan s_endless = TimeSpan.FromSeconds(60);

    private readonly Plugin _plugin;
    private readonly string _virtualHost;
    private readonly ILogger _logger;
    private readonly OwnThreads _threads;
    private readonly ThreadTurns _own = new();
    private readonly ThreadTurns _pooled = new();
    private readonly Action _look;
    private readonly KeyValuePair<string, object?>[] _labels;
    private volatile bool _blocks;
    private long _told = long.MinValue / 2;
    private long _toldOfAsked = long.MinValue / 2;

    public PluginGuard(Plugin plugin, string virtualHost, ILogger logger)
    {
        (_plugin, _virtualHost, _logger) = (plugin, virtualHost, logger);
        _threads = plugin.Threads;
        _labels = [new("virtual_host", virtualHost), new("plugin", plugin.Name)];
        _look = Look;
        ThreadWatch.Add(_look);
    }

    /// <summary>Whether it has held a thread, and runs on threads of its own.</summary>
    public bool Blocks => _blocks;

    /// <summary>Runs the plugin.</summary>
    public ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (_blocks || InlineTurns.Begin(this) is not { } turn)
        {
            return RunOnOwnThread(context);
        }

        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            return _plugin.RunAsync(context);
        }
        finally
        {
            SetSynchronizationContext(before);
            Ended(turn.End());
        }
    }

    /// <summary>Has the plugin start its lookups, which is a head start and nothing more: not when that may block the request.</summary>
    public void StartLookups(IStartsLookups plugin, PluginContext context)
    {
        if (_blocks || InlineTurns.Begin(this) is not { } turn)
        {
            return;
        }

        try
        {
            plugin.StartLookups(context);
        }
        finally
        {
            Ended(turn.End());
        }
    }

    /// <summary>What a plugin does after an <c>await</c>: on the pool, never on the thread that has completed what it waited for.</summary>
    public override void Post(SendOrPostCallback d, object? state) => ThreadPool.UnsafeQueueUserWorkItem(
        static work => work.Guard.Continue(work.Callback, work.State),
        (Guard: this, Callback: d, State: state),
        preferLocal: false);

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;

    private void Continue(SendOrPostCallback callback, object? state)
    {
        var turn = _pooled.Begin();
        SetSynchronizationContext(this);
        try
        {
            callback(state);
        }
        finally
        {
            SetSynchronizationContext(null);
            Ended(_pooled.End(turn));
        }
    }

    private ValueTask<PluginResult> RunOnOwnThread(PluginContext context)
    {
        var result = new TaskCompletionSource<PluginResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        return _threads.TryRun(() => RunHere(context, result))
            ? new ValueTask<PluginResult>(result.Task)
            : throw new InvalidOperationException("holds all of its threads, and too many requests wait for one");
    }

    // The task of an asynchronous method never throws, so that the thread goes on with the next.
    private void RunHere(PluginContext context, TaskCompletionSource<PluginResult> result)
    {
        if (context.IsAbandoned)
        {
            result.TrySetCanceled();
            return;
        }

        var turn = _own.Begin();
        SetSynchronizationContext(this);
        _ = CompleteAsync(context, result);
        SetSynchronizationContext(null);
        Ended(_own.End(turn));
    }

    private async Task CompleteAsync(PluginContext context, TaskCompletionSource<PluginResult> result)
    {
        try
        {
            result.TrySetResult(await _plugin.RunAsync(context).ConfigureAwait(false));
        }
        catch (Exception e)
        {
            result.TrySetException(e);
        }
    }

    private void Ended(long milliseconds)
    {
        if (milliseconds < (long)Held.TotalMilliseconds)
        {
            return;
        }

        _blocks = true;
        ThreadMetrics.Blocked.Add(1, _labels);
        Tell(1, TimeSpan.FromMilliseconds(milliseconds));
    }

    private void Look()
    {
        var asked = _threads.Asked.State;
        if (asked.Longest >= s_endless && MayTell(ref _toldOfAsked, s_endless))
        {
            ThreadLog.Endless(_logger, _virtualHost, _plugin.Name, asked.Count, OwnThreads.Most, asked.Longest.TotalSeconds);
        }

        var (inline, own, pooled) = (InlineTurns.Of(this), _own.State, _pooled.State);
        var longest = TimeSpan.FromTicks(Math.Max(inline.Longest.Ticks, Math.Max(own.Longest.Ticks, pooled.Longest.Ticks)));
        if (longest < s_told)
        {
            return;
        }

        // Also where it never returns.
        _blocks = true;
        Tell(inline.Count + own.Count + pooled.Count, longest);
    }

    private void Tell(int threads, TimeSpan longest)
    {
        if (MayTell(ref _told, s_between))
        {
            ThreadLog.Held(_logger, _virtualHost, _plugin.Name, threads, longest.TotalSeconds);
        }
    }

    private static bool MayTell(ref long last, TimeSpan between)
    {
        var (now, told) = (Environment.TickCount64, Interlocked.Read(ref last));
        return now - told >= between.TotalMilliseconds && Interlocked.CompareExchange(ref last, now, told) == told;
    }
}
