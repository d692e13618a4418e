using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Engine.Chain;

/// <summary>A chain under a name, and what it makes of a request: exactly one action that Postfix obeys, or no answer.</summary>
public sealed class VirtualHost
{
    // The last part of a request's time is kept for the answer: an on_error action of the plugin that used the rest up must still arrive.
    private static readonly TimeSpan s_mostReserve = TimeSpan.FromMilliseconds(500);
    private readonly ChainEnvironment _environment;

    /// <summary>Makes a virtual host.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="chain">Its chain.</param>
    /// <param name="environment">Clock, log and grammar.</param>
    public VirtualHost(string name, PluginChain chain, ChainEnvironment environment)
    {
        Name = name;
        Chain = chain;
        _environment = environment;
        Failures = new FailureLog(environment.Clock);
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The chain.</summary>
    public PluginChain Chain { get; }

    internal FailureLog Failures { get; }

    /// <summary>Runs the chain on a request. Never throws, and completes within the time even when a plugin hangs.</summary>
    /// <param name="request">The request.</param>
    /// <param name="session">Its session; one at a time. What is to be stored afterwards is the outcome's.</param>
    /// <param name="timeout">What is left of the request's time; a tenth of it, at most half a second, is kept for the answer.</param>
    public ValueTask<ChainOutcome> RunAsync(PolicyRequest request, Session session, TimeSpan timeout)
    {
        var clock = _environment.Clock;
        var reserve = TimeSpan.FromTicks(Math.Min(timeout.Ticks / 10, s_mostReserve.Ticks));
        var deadline = clock.GetTimestamp() + (long)((timeout - reserve).TotalSeconds * clock.TimestampFrequency);
        var run = new ChainRun(request, session, this, _environment, deadline);
        try
        {
            var running = Chain.RunAsync(run, null);
            return running.IsCompletedSuccessfully ? new ValueTask<ChainOutcome>(Outcome(run, running.Result)) : AwaitAsync(run, running);
        }
        catch (Exception e)
        {
            return new ValueTask<ChainOutcome>(Failed(run, e));
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<ChainOutcome> AwaitAsync(ChainRun run, ValueTask<PluginResult> running)
    {
        try
        {
            return Outcome(run, await running.ConfigureAwait(false));
        }
        catch (Exception e)
        {
            return Failed(run, e);
        }
    }

    private static ChainOutcome Outcome(ChainRun run, PluginResult result)
    {
        var action = result.Single ?? ActionPrecedence.Merge(result.Actions);
        return new ChainOutcome(ActionGrammar.Sanitize(action), run.LastPlugin, run.Failure, run.Session)
        {
            Reserved = run.Reserved,
            Scores = Scores(run),
            IsOver = !run.HasAbandoned,
        };
    }

    private static ChainOutcome Failed(ChainRun run, Exception e)
    {
        var failure = e as PluginFailedException ?? new PluginFailedException("", e.Message, e);
        var plugin = failure.Plugin.Length > 0 ? failure.Plugin : null;
        run.Failed(failure);
        if (run.Logger.IsEnabled(LogLevel.Error) && run.Host.Failures.IsDue(failure.Plugin, out var more))
        {
            ChainLog.Write(
                run.Logger, LogLevel.Error, new PluginMessage(run.Host.Name, run.Request.Instance, plugin, failure.Message + more));
        }

        return new ChainOutcome(null, plugin, run.Failure, run.Session)
        {
            Reserved = run.Reserved,
            Scores = Scores(run),
            IsOver = !run.HasAbandoned,
        };
    }

    // Now, since the next request of the mail may score before this one's line is made.
    private static IReadOnlyList<MailScore>? Scores(ChainRun run) => RequestLogLine.IsShown(run.Logger) ? run.Session.Scores : null;
}
