using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Decisions;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Chain;

/// <summary>
/// Plugins in their order. As long as every plugin completes at once the chain is a plain loop; from the first one that does not it goes
/// on in an async method, which gives each plugin its deadline.
/// </summary>
public sealed class PluginChain : IPluginChain
{
    private const int MostShown = 200;
    private readonly Plugin[] _plugins;
    private readonly Plugin[]? _starters;
    private readonly bool _checksActions;

    /// <summary>Makes a chain.</summary>
    /// <param name="plugins">The plugins, in the order of work.</param>
    /// <param name="checksActions">Whether results must be actions that Postfix obeys.</param>
    public PluginChain(IEnumerable<Plugin> plugins, bool checksActions = true)
    {
        _plugins = [.. plugins];
        _starters = Array.FindAll(_plugins, static plugin => plugin is IStartsLookups) is { Length: > 0 } starters ? starters : null;
        _checksActions = checksActions;
        for (var index = 0; index < _plugins.Length; index++)
        {
            if (_plugins[index] is IAsksForFollowers first)
            {
                var behind = index + 1;
                first.Precede([.. _plugins.Skip(behind).TakeWhile(static plugin => plugin is IAsksForFollowers)]);
            }
        }
    }

    /// <summary>The plugins, in the order of work.</summary>
    public IReadOnlyList<Plugin> Plugins => _plugins;

    /// <summary>A chain like this one, of other plugins.</summary>
    internal PluginChain With(IEnumerable<Plugin> plugins) => new(plugins, _checksActions);

    /// <summary>The plugins and those nested in them, each before its own.</summary>
    internal IEnumerable<Plugin> All =>
        _plugins.SelectMany(
            static plugin => plugin is INestedChain { Plugins: PluginChain nested } ? nested.All.Prepend(plugin) : [plugin]);

    /// <summary>Runs the chain inside a plugin; what comes out becomes that plugin's own result.</summary>
    /// <param name="context">The plugin's context.</param>
    /// <exception cref="PluginFailedException">A plugin failed and has no <c>on_error</c>.</exception>
    public ValueTask<PluginResult> RunAsync(PluginContext context) => RunAsync((ChainRun)context.Run, context);

    internal ValueTask<PluginResult> RunAsync(ChainRun run, PluginContext? parent)
    {
        if (_starters is not null)
        {
            StartLookups(_starters, run, parent);
        }

        var results = default(ResultList);
        for (var index = 0; index < _plugins.Length; index++)
        {
            var plugin = _plugins[index];
            var context = Begin(plugin, run, parent);
            PluginResult result;
            try
            {
                if (IsPast(context))
                {
                    throw TooLate(plugin);
                }

                var running = Run(plugin, context);
                if (!running.IsCompletedSuccessfully)
                {
                    return ContinueAsync(run, parent, index, context, running, results);
                }

                result = Checked(plugin, running.Result, run);
            }
            catch (Exception e)
            {
                result = Failed(plugin, context, e, run);
            }

            result = Ended(plugin, context, result, run);
            context.Dispose();
            if (results.Take(plugin, result, run) || run.IsVoid)
            {
                break;
            }
        }

        return new ValueTask<PluginResult>(results.ToResult());
    }

    // A head start and nothing more: the plugin asks again in its turn, and what fails then is its failure.
    private static void StartLookups(Plugin[] starters, ChainRun run, PluginContext? parent)
    {
        foreach (var plugin in starters)
        {
            var context = NewContext(plugin, run, parent);
            try
            {
                if (plugin.Guard is { } guard)
                {
                    guard.StartLookups((IStartsLookups)plugin, context);
                }
                else
                {
                    ((IStartsLookups)plugin).StartLookups(context);
                }
            }
            catch (Exception e)
            {
                if (run.Logger.IsEnabled(LogLevel.Debug))
                {
                    ChainLog.Write(
                        run.Logger,
                        LogLevel.Debug,
                        new PluginMessage(run.Host.Name, run.Request.Instance, plugin.Name, $"could not start its lookups: {e.Message}"));
                }
            }

            context.Dispose();
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<PluginResult> ContinueAsync(
        ChainRun run, PluginContext? parent, int index, PluginContext context, ValueTask<PluginResult> running, ResultList results)
    {
        var clock = run.Environment.Clock;
        var started = clock.GetTimestamp();
        while (true)
        {
            var plugin = _plugins[index];
            PluginResult result;
            try
            {
                var answer = running.IsCompleted || plugin is IKeepsItsTime
                    ? await running.ConfigureAwait(false)
                    : await WatchAsync(plugin, context, running, started).ConfigureAwait(false);
                result = Checked(plugin, answer, run);
            }
            catch (Exception e)
            {
                result = Failed(plugin, context, e, run, started);
            }
            finally
            {
                if (!context.IsAbandoned)
                {
                    context.Dispose();
                }
            }

            result = Ended(plugin, context, result, run);
            if (results.Take(plugin, result, run) || run.IsVoid || ++index == _plugins.Length)
            {
                return results.ToResult();
            }

            context = Begin(_plugins[index], run, parent);
            started = clock.GetTimestamp();
            running = Start(_plugins[index], context);
        }
    }

    private static ValueTask<PluginResult> Start(Plugin plugin, PluginContext context)
    {
        try
        {
            return IsPast(context) ? ValueTask.FromException<PluginResult>(TooLate(plugin)) : Run(plugin, context);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<PluginResult>(e);
        }
    }

    // To the plugin's deadline and no longer. One that is late runs on with its context, which is nobody's then.
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<PluginResult> WatchAsync(
        Plugin plugin, PluginContext context, ValueTask<PluginResult> running, long started)
    {
        var task = running.AsTask();
        using var timeout = TimeoutToken.For(context.Remaining, context.Clock);
        try
        {
            return await task.WaitAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!task.IsCompleted)
        {
            context.Abandon();
            task.Abandon();
            throw new PluginFailedException(plugin.Name, Waited.TimedOut(context.Clock, started));
        }
    }

    private static ValueTask<PluginResult> Run(Plugin plugin, PluginContext context)
    {
        var run = (ChainRun)context.Run;
        if ((!context.IsRehearsal || plugin.IsRehearsable) && run.Environment.NotRun?.Contains(plugin) != true)
        {
            return plugin.Guard is { } guard ? guard.RunAsync(context) : plugin.RunAsync(context);
        }

        run.Recorder?.End(context, StepOutcome.NotRun, []);
        return default;
    }

    /// <summary>What the chain goes on with: of a plugin that is observed nothing but its mention.</summary>
    private static PluginResult Ended(Plugin plugin, PluginContext context, PluginResult result, ChainRun run)
    {
        result = run.Named(result);
        if (ReferenceEquals(context.Run, run))
        {
            run.Recorder?.End(context, result);
            return result;
        }

        run.Join(context.Run);
        run.Recorder?.End(context, result.IsEmpty ? StepOutcome.Nothing : StepOutcome.Observed, result.Actions);
        if (!result.IsEmpty)
        {
            run.AddObserved(plugin.Name, result);
        }

        return PluginResult.Continue;
    }

    private static PluginContext Begin(Plugin plugin, ChainRun run, PluginContext? parent)
    {
        var context = NewContext(plugin, plugin.Observe ? run.Observing() : run, parent);
        run.Recorder?.Begin(context, parent, plugin.Name, plugin.Module);
        return context;
    }

    private static PluginContext NewContext(Plugin plugin, ChainRun run, PluginContext? parent)
    {
        var deadline = parent?.DeadlineTimestamp ?? run.Deadline;
        if (plugin.Timeout > TimeSpan.Zero)
        {
            var clock = run.Environment.Clock;
            deadline = Math.Min(deadline, clock.GetTimestamp() + (long)(plugin.Timeout.TotalSeconds * clock.TimestampFrequency));
        }

        return new PluginContext(run, plugin, parent, deadline);
    }

    private static bool IsPast(PluginContext context) => context.Clock.GetTimestamp() >= context.DeadlineTimestamp;

    // A timer of the token may be a millisecond early.
    private static bool IsOver(PluginContext context) => IsPast(context) || context.Cancellation.IsCancellationRequested;

    private static PluginFailedException TooLate(Plugin plugin) => new(plugin.Name, "was not run because the request had timed out");

    private PluginResult Checked(Plugin plugin, PluginResult result, ChainRun run)
    {
        CheckActions(plugin, result, run);
        run.Host.Failures.Answered(plugin.Name, run.Host.Name, run.Logger);
        return result;
    }

    private void CheckActions(Plugin plugin, PluginResult result, ChainRun run)
    {
        if (!_checksActions)
        {
            return;
        }

        if (result.Single is { } action)
        {
            Check(plugin, action, run);
        }
        else if (result.HasMany)
        {
            foreach (var each in result.Actions)
            {
                Check(plugin, each, run);
            }
        }
    }

    private static void Check(Plugin plugin, string action, ChainRun run)
    {
        if (ReferenceEquals(action, plugin.LastFitting))
        {
            return;
        }

        if (run.Grammar.Check(action) is { } problem)
        {
            throw new PluginFailedException(plugin.Name, $"answers \"{Shortened(action)}\": {problem}");
        }

        plugin.LastFitting = action;
    }

    // What a stranger's server answers is no log line's length.
    private static string Shortened(string action) => action.Length <= MostShown ? action : action[..MostShown] + "…";

    // What on_error says. Thrown on, the failure becomes the parent's of a nested chain, whose own on_error then decides.
    private static PluginResult Failed(Plugin plugin, PluginContext context, Exception e, ChainRun run, long? started = null)
    {
        var failure = e as PluginFailedException ?? new PluginFailedException(plugin.Name, What(e, context, started), e);
        var isObserved = !ReferenceEquals(context.Run, run);
        if (!isObserved)
        {
            run.Failed(failure);
        }

        var instead = plugin.OnError.Action is { } action ? run.Named(PluginResult.Answer(action)) : PluginResult.Continue;
        run.Recorder?.End(context, StepOutcome.Failed, instead.Actions, failure.Message);
        if (ReferenceEquals(plugin.OnError, OnError.Fail) && !isObserved)
        {
            throw failure;
        }

        if (run.Logger.IsEnabled(LogLevel.Error) && run.Host.Failures.IsDue(failure.Plugin, out var more))
        {
            var message =
                $"{failure.Message}; on_error{(failure.Plugin == plugin.Name ? "" : $" of {plugin.Name}")} is {plugin.OnError}{more}";
            ChainLog.Write(run.Logger, LogLevel.Error, new PluginMessage(run.Host.Name, run.Request.Instance, failure.Plugin, message));
        }

        return instead;
    }

    // A client of a plugin's own has its own time-out, which is no deadline of ours: HttpClient tells it in the same exception.
    private static string What(Exception e, PluginContext context, long? started) => e switch
    {
        OperationCanceledException when started is { } since && IsOver(context) => Waited.TimedOut(context.Clock, since),
        OperationCanceledException when IsOver(context) => "was cancelled",
        _ => $"failed: {e.GetType().Name}: {e.Message}",
    };
}
