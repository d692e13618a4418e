namespace Policyd.Engine.Decisions;

/// <summary>What a record of a request has beyond the log's line, when somebody listens.</summary>
/// <param name="time">When the answer was known.</param>
/// <param name="steps">The steps; null when the request began before anybody asked for them.</param>
public sealed class DecisionTrail(DateTimeOffset time, IReadOnlyList<DecisionStep>? steps)
{
    /// <summary>When the answer was known.</summary>
    public DateTimeOffset Time { get; } = time;

    /// <summary>
    /// What each plugin did, in the order in which they began, those nested in a plugin behind it; null when the request began before
    /// anybody asked for them.
    /// </summary>
    public IReadOnlyList<DecisionStep>? Steps { get; } = steps;

    /// <summary>The plugin whose action was answered; null when none said anything, and without steps.</summary>
    public string? Rule => field ??= Steps is null ? null : DecidingRule.Of(Steps);
}
