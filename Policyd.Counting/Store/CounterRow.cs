// What goes into, and comes out of, a counter table.
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Store;

/// <summary>Names a row of a counter table.</summary>
/// <param name="Key">The counter's key.</param>
/// <param name="Time">The window's text.</param>
public readonly record struct CounterRowId(string Key, string Time)
{
    /// <summary>Of the key alone: a key has hardly ever more than two rows in a commit.</summary>
    public override int GetHashCode() => Key is null ? 0 : Key.GetHashCode(StringComparison.Ordinal) ^ (Time?.Length ?? 0);
}

/// <summary>A row of a counter table.</summary>
/// <param name="Key">The counter's key, as the caller wrote it.</param>
/// <param name="Time">The window's text.</param>
/// <param name="Total">Its sums.</param>
public readonly record struct CounterRow(string Key, string Time, CounterAmounts Total);

/// <summary>A change of a row.</summary>
/// <param name="Table">The table.</param>
/// <param name="Key">The counter's key.</param>
/// <param name="Time">The window's text.</param>
/// <param name="Amounts">What is added, or, when <paramref name="Absolute"/>, what the sums become.</param>
/// <param name="Absolute">True for an operator's set.</param>
public readonly record struct CounterDelta(string Table, string Key, string Time, CounterAmounts Amounts, bool Absolute = false);

/// <summary>Rows to load: one key, one window.</summary>
/// <param name="Key">The counter's key.</param>
/// <param name="Times">The rows of the window, as <see cref="CounterWindow.Range"/> gives them.</param>
public readonly record struct CounterLoad(string Key, CounterTimeRange Times);
