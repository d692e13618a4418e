namespace Policyd.Plugins.Counters;

/// <summary>
/// A plugin that counts, or compares counts, by operations of its own, and tells operators what it does with its tables:
/// <c>policyd counter</c> shows it. What is counted through <c>setup.Counter</c> is known without this.
/// </summary>
public interface IUsesCounters
{
    /// <summary>What it counts and compares. Asked after <c>Initialize</c>, when a server has no error in its configuration.</summary>
    IEnumerable<CounterUse> CounterUses { get; }
}

/// <summary>What a plugin does with a counter table.</summary>
/// <param name="Connection">The name of the SQL connection.</param>
/// <param name="Table">The table.</param>
/// <param name="Attribute">What the table is named for, such as the attribute whose values are its keys.</param>
/// <param name="Window">The kind of window that it counts or compares.</param>
/// <param name="Limit">What it compares the counter with; null when it only counts.</param>
public sealed record CounterUse(string Connection, string Table, string Attribute, CounterWindowKind Window, CounterLimit? Limit = null)
{
    /// <summary>
    /// Whether two requests can only meet in a counter of the table when the attribute has one value in both. False when nothing is known
    /// of that: a replay then runs one request after the other.
    /// </summary>
    public bool KeysAreValues { get; init; }
}

/// <summary>What a counter is compared with.</summary>
/// <param name="Metric">What is compared.</param>
/// <param name="Threshold">The threshold; positive infinity when there is no limit.</param>
/// <param name="ThresholdFromSession">The session's key that may name another for a mail; null when there is none.</param>
/// <param name="IsObserved">Whether it is only told, and nothing is answered.</param>
/// <param name="OwnLimits">The keys whose last mail had a threshold of its own.</param>
public sealed record CounterLimit(
    CounterMetric Metric, double Threshold, string? ThresholdFromSession, bool IsObserved, OwnLimits OwnLimits);
