namespace Policyd.Engine.Decisions;

/// <summary>One run of one plugin on one request. It does not change any more once its recorder is closed.</summary>
public sealed class DecisionStep
{
    private List<DecisionFact>? _facts;

    internal DecisionStep()
    {
    }

    /// <summary>The plugin's name.</summary>
    public string Plugin { get; private set; } = "";

    /// <summary>Its module.</summary>
    public string Module { get; private set; } = "";

    /// <summary>How many plugins it is nested in.</summary>
    public int Depth { get; private set; }

    /// <summary>How long after the request's first plugin it began.</summary>
    public TimeSpan Started { get; private set; }

    /// <summary>How long it took, with the plugins that are nested in it.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>What became of it.</summary>
    public StepOutcome Outcome { get; private set; }

    /// <summary>Its actions, those of its nested chain included. Of a plugin that failed, the action of its <c>on_error</c>.</summary>
    public IReadOnlyList<string> Actions { get; private set; } = [];

    /// <summary>Why it failed; null when it did not.</summary>
    public string? Failure { get; private set; }

    /// <summary>What it read and concluded, in that order; empty at <see cref="DecisionDepth.Steps"/>.</summary>
    public IReadOnlyList<DecisionFact> Facts => _facts ?? [];

    /// <summary>Whose run it is, while it runs; nothing is written to a step without one.</summary>
    internal object? Owner { get; private set; }

    /// <summary>A run begins. Nothing is left of the one that this object told of before.</summary>
    internal void Begin(object owner, string plugin, string module, int depth, TimeSpan started)
    {
        (Owner, Plugin, Module, Depth, Started) = (owner, plugin, module, depth, started);
        (Elapsed, Outcome, Actions, Failure) = (default, default, [], null);
        _facts?.Clear();
    }

    internal void Add(DecisionFact fact) => (_facts ??= []).Add(fact);

    internal void End(TimeSpan at, StepOutcome outcome, IReadOnlyList<string> actions, string? failure)
    {
        (Owner, Elapsed, Outcome, Actions, Failure) = (null, at - Started, outcome, actions, failure);
    }
}
