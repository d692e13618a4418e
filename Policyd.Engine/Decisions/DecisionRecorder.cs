using Policyd.Plugins.Api;

namespace Policyd.Engine.Decisions;

/// <summary>
/// What one request's way through its chain was, for those who listen. The chain writes it, and each plugin through its context. A plugin
/// that was given up may write at any time: nothing is taken from it, since its step has ended.
/// </summary>
/// <param name="depth">How much is recorded.</param>
/// <param name="clock">The clock.</param>
public sealed class DecisionRecorder(DecisionDepth depth, TimeProvider clock)
{
    // A list of ten thousand entries that a plugin goes through is no explanation.
    private const int MostFacts = 200;
    private const int LongestText = 1000;
    private const string Unfinished = "was not done when the request was answered";
    private const int MostSpare = 64;

    private readonly Lock _lock = new();
    private readonly Stack<DecisionStep> _spare = new();
    private List<DecisionStep> _steps = [];
    private long _start;
    private bool _isClosed;

    /// <summary>How much is recorded.</summary>
    public DecisionDepth Depth { get; private set; } = depth;

    /// <summary>A plugin's run begins.</summary>
    /// <param name="owner">Who writes to the step from now on.</param>
    /// <param name="parent">The owner of the step that it is nested in; null for a plugin of the virtual host.</param>
    /// <param name="plugin">The plugin's name.</param>
    /// <param name="module">Its module.</param>
    internal void Begin(object owner, object? parent, string plugin, string module)
    {
        lock (_lock)
        {
            var around = parent is null ? null : Find(parent);
            if (!_isClosed && (parent is null || around is not null))
            {
                var step = _spare.TryPop(out var spare) ? spare : new DecisionStep();
                step.Begin(owner, plugin, module, around is null ? 0 : around.Depth + 1, _steps.Count > 0 ? Now : BeginTime());
                _steps.Add(step);
            }
        }
    }

    /// <summary>A plugin's run ends, and so do those nested in it that have not; nothing when its step has ended before.</summary>
    internal void End(object owner, StepOutcome outcome, IReadOnlyList<string> actions, string? failure = null)
    {
        lock (_lock)
        {
            if (Find(owner) is not { } step)
            {
                return;
            }

            for (var index = _steps.IndexOf(step) + 1; index < _steps.Count && _steps[index].Depth > step.Depth; index++)
            {
                EndUnfinished(_steps[index]);
            }

            step.End(Now, outcome, actions, failure);
        }
    }

    /// <summary>A plugin's run ends with a result.</summary>
    internal void End(object owner, PluginResult result) => End(owner, OutcomeOf(result), result.Actions);

    /// <summary>Something that a plugin has read.</summary>
    internal void Add(object owner, string name, string? value, string? comparedWith, string? result)
    {
        lock (_lock)
        {
            if (Find(owner) is { Facts.Count: < MostFacts } step)
            {
                step.Add(new DecisionFact(name, Bounded(value), Bounded(comparedWith), Bounded(result)));
            }
        }
    }

    /// <summary>The chain runs again from its start: what was recorded is void, and who wrote it writes no more.</summary>
    internal void Restart()
    {
        lock (_lock)
        {
            _steps = [];
        }
    }

    /// <summary>The request is answered: the steps in the order in which they began, which do not change any more.</summary>
    public IReadOnlyList<DecisionStep> Close()
    {
        lock (_lock)
        {
            if (!_isClosed)
            {
                _isClosed = true;
                foreach (var step in _steps)
                {
                    EndUnfinished(step);
                }
            }

            return _steps;
        }
    }

    /// <summary>
    /// Records another request, with the objects of the one before: nobody keeps its steps, and nothing of its chain runs any more.
    /// </summary>
    internal void Renew(DecisionDepth depth)
    {
        lock (_lock)
        {
            for (var index = 0; index < _steps.Count && _spare.Count < MostSpare; index++)
            {
                _spare.Push(_steps[index]);
            }

            _steps.Clear();
            (Depth, _isClosed) = (depth, false);
        }
    }

    private TimeSpan Now => clock.GetElapsedTime(_start);

    // Times count from the first plugin.
    private TimeSpan BeginTime()
    {
        _start = clock.GetTimestamp();
        return TimeSpan.Zero;
    }

    private static StepOutcome OutcomeOf(PluginResult result) =>
        result.IsEmpty ? StepOutcome.Nothing
        : !result.Aborts ? StepOutcome.Added
        : result.Actions.Count > 0 ? StepOutcome.Answered : StepOutcome.Aborted;

    private void EndUnfinished(DecisionStep step)
    {
        if (step.Owner is not null)
        {
            step.End(Now, StepOutcome.Failed, [], Unfinished);
        }
    }

    private static string? Bounded(string? text) => text?.Length > LongestText ? text[..LongestText] + "…" : text;

    // Whoever writes is nearly always the last to have begun. A predicate would be an object for each request.
    private DecisionStep? Find(object owner)
    {
        for (var index = _steps.Count - 1; index >= 0; index--)
        {
            if (ReferenceEquals(_steps[index].Owner, owner))
            {
                return _steps[index];
            }
        }

        return null;
    }
}
