using Policyd.Engine.Decisions;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Chain;

/// <summary>What a virtual host makes of a request.</summary>
/// <param name="Action">The action to answer; null: no answer, the connection is to be closed.</param>
/// <param name="Plugin">The last plugin that gave a result, or the one that failed; null when none said anything.</param>
/// <param name="Failure">What failed first, in words for the log, also when the chain went on after it; null when nothing did.</param>
/// <param name="Session">The session to store: not always the object that was handed in.</param>
public readonly record struct ChainOutcome(string? Action, string? Plugin, string? Failure, Session Session)
{
    /// <summary>The counters on which this request reserved, each once, also when it failed; null when there are none.</summary>
    public IReadOnlyList<CounterKey>? Reserved { get; init; }

    /// <summary>The decision's name, where a text shows it, and what was observed; null when there is none of it.</summary>
    public DecisionRemarks? Remarks { get; init; }

    /// <summary>What those that are observed would have answered; null when nobody would have.</summary>
    public string? Observed => Remarks?.Observed;

    /// <summary>Whether every plugin has ended: none that was given up still reads the request.</summary>
    public bool IsOver { get; init; }

    /// <summary>
    /// The scores of the mail as this request left them; null when nothing scored, and when neither the log nor a listener shows them.
    /// </summary>
    public IReadOnlyList<MailScore>? Scores { get; init; }
}

/// <summary>A plugin failed and its <c>on_error</c> says that the request fails. Its message is safe to log once escaped.</summary>
public sealed class PluginFailedException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="plugin">The name of the plugin.</param>
    /// <param name="message">What happened.</param>
    /// <param name="inner">What it threw.</param>
    public PluginFailedException(string plugin, string message, Exception? inner = null)
        : base(message, inner) => Plugin = plugin;

    /// <summary>The name of the plugin.</summary>
    public string Plugin { get; }
}
