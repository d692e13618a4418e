using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Decisions;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Engine.Chain;

/// <summary>A chain under a name, and what it makes of a request: exactly one action that Postfix obeys, or no answer.</summary>
public sealed class VirtualHost
{
    // The last part of a request's time is kept for the answer: an on_error action of the plugin that used the rest up must still arrive.
    private static readonly TimeSpan s_mostReserve = TimeSpan.FromMilliseconds(500);
    private readonly ChainEnvironment _environment;
    private readonly bool _mayRunAgain;

    /// <summary>Makes a virtual host.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="chain">Its chain.</param>
    /// <param name="environment">Clock, log and grammar.</param>
    /// <param name="observes">Whether it only tells what its chain would have answered.</param>
    public VirtualHost(string name, PluginChain chain, ChainEnvironment environment, bool observes = false)
    {
        Name = name;
        Chain = chain;
        Observes = observes;
        _mayRunAgain = chain.All.Any(static plugin => plugin is IAsksForFollowers);
        _environment = environment;
        Failures = new FailureLog(environment.Clock);
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The chain.</summary>
    public PluginChain Chain { get; }

    /// <summary>Whether the chain runs without side effects, and every request is answered <c>dunno</c>.</summary>
    public bool Observes { get; }

    internal FailureLog Failures { get; }

    /// <summary>Runs the chain on a request. Never throws, and completes within the time even when a plugin hangs.</summary>
    /// <param name="request">The request.</param>
    /// <param name="session">Its session; one at a time. What is to be stored afterwards is the outcome's.</param>
    /// <param name="timeout">What is left of the request's time; a tenth of it, at most half a second, is kept for the answer.</param>
    /// <param name="recorder">What the way through the chain is recorded in; null when nobody listens.</param>
    public ValueTask<ChainOutcome> RunAsync(
        PolicyRequest request, Session session, TimeSpan timeout, DecisionRecorder? recorder = null)
    {
        var deadline = DeadlineOf(timeout);
        if (Observes)
        {
            return ObserveAsync(
                ChainRun.Rehearsal(request, session, this, _environment, deadline, recorder, explains: false), session);
        }

        var found = _mayRunAgain ? session.Snapshot() : default;
        var run = new ChainRun(request, session, this, _environment, deadline, recorder);
        var running = Start(run);
        return running.IsCompletedSuccessfully && !run.IsVoid
            ? new ValueTask<ChainOutcome>(Outcome(run, running.Result))
            : AwaitAsync(run, running, found);
    }

    /// <summary>What the chain would make of a request, without side effects, and without a word in the log.</summary>
    /// <param name="request">The request.</param>
    /// <param name="session">Its session, which stays as it is.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="recorder">What the way through the chain is recorded in.</param>
    /// <returns>The outcome, with the session as it would be.</returns>
    public ValueTask<ChainOutcome> RehearseAsync(PolicyRequest request, Session session, TimeSpan timeout, DecisionRecorder recorder)
    {
        var run = ChainRun.Rehearsal(request, session, this, _environment, DeadlineOf(timeout), recorder, explains: true);
        return Observes ? ObserveAsync(run, session) : AwaitAsync(run, Start(run), default);
    }

    private long DeadlineOf(TimeSpan timeout)
    {
        var clock = _environment.Clock;
        var reserve = TimeSpan.FromTicks(Math.Min(timeout.Ticks / 10, s_mostReserve.Ticks));
        return clock.GetTimestamp() + (long)((timeout - reserve).TotalSeconds * clock.TimestampFrequency);
    }

    private async ValueTask<ChainOutcome> ObserveAsync(ChainRun run, Session session)
    {
        try
        {
            var result = await Start(run).ConfigureAwait(false);
            if (!result.IsEmpty)
            {
                run.AddObserved(run.LastPlugin, result);
            }
        }
        catch (Exception e)
        {
            _ = Failed(run, e);   // for the log
        }

        return Outcome(run, PluginResult.Continue) with { Plugin = null, Session = session };
    }

    private ValueTask<PluginResult> Start(ChainRun run)
    {
        try
        {
            return Chain.RunAsync(run, null);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<PluginResult>(e);
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<ChainOutcome> AwaitAsync(ChainRun run, ValueTask<PluginResult> running, SessionEntries found)
    {
        while (true)
        {
            try
            {
                var result = await running.ConfigureAwait(false);
                if (!run.IsVoid)
                {
                    return Outcome(run, result);
                }
            }
            catch (Exception e) when (!run.IsVoid)
            {
                return Failed(run, e);
            }
            catch (Exception)
            {
                // A plugin around the one that asked for the second run has failed: what it says is void too.
            }

            run = run.Again(run.Session.Restored(found));
            running = Start(run);
        }
    }

    private static ChainOutcome Outcome(ChainRun run, PluginResult result)
    {
        var action = result.Single ?? ActionPrecedence.Merge(result.Actions);
        return new ChainOutcome(ActionGrammar.Sanitize(action), run.LastPlugin, run.Failure, run.Session)
        {
            Reserved = run.Reserved,
            Remarks = run.Remarks,
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
            Remarks = run.Remarks,
            Scores = Scores(run),
            IsOver = !run.HasAbandoned,
        };
    }

    // Now, since the next request of the mail may score before this one's line is made.
    private static IReadOnlyList<MailScore>? Scores(ChainRun run) =>
        run.Recorder is not null || RequestLogLine.IsShown(run.Logger) ? run.Session.Scores : null;
}
