using Policyd.Protocol;

namespace Policyd.Engine.Decisions;

/// <summary>
/// Which plugin a request's action is of. Several may have said something: it is the first one with the action that
/// <see cref="ActionPrecedence"/> has chosen, and within it the innermost of a nested chain that has said the same.
/// </summary>
internal static class DecidingRule
{
    /// <summary>The name of the plugin; null when none said anything.</summary>
    public static string? Of(IReadOnlyList<DecisionStep> steps)
    {
        DecisionStep? rule = null;
        var (from, to) = (0, steps.Count);
        while (Among(Level(steps, from, to)) is var (index, found))
        {
            if (rule is not null && !SaysTheSame(rule, found))
            {
                break;
            }

            rule = found;
            from = index + 1;
            to = from;
            while (to < steps.Count && steps[to].Depth > found.Depth)
            {
                to++;
            }
        }

        return rule?.Plugin;
    }

    private static bool SaysTheSame(DecisionStep outer, DecisionStep inner) =>
        inner.Actions.Count == 0 ? outer.Actions.Count == 0 : outer.Actions.Contains(inner.Actions[0]);

    // The plugins of one chain that have said something: those of its nested chains stand deeper.
    private static IEnumerable<(int Index, DecisionStep Step)> Level(IReadOnlyList<DecisionStep> steps, int from, int to)
    {
        for (var index = from; index < to; index++)
        {
            var step = steps[index];
            if (step.Depth == steps[from].Depth
                && step.Outcome != StepOutcome.Observed
                && (step.Actions.Count > 0 || step.Outcome == StepOutcome.Aborted))
            {
                yield return (index, step);
            }
        }
    }

    private static (int Index, DecisionStep Step)? Among(IEnumerable<(int Index, DecisionStep Step)> level)
    {
        var said = level.ToList();
        if (said.Count == 0)
        {
            return null;
        }

        var action = ActionPrecedence.Merge([.. said.SelectMany(static one => one.Step.Actions)]);
        var index = said.FindIndex(one => one.Step.Actions.Contains(action));
        return said[index >= 0 ? index : said.Count - 1];   // when none does more than let the mail go on, it is the last one
    }
}
