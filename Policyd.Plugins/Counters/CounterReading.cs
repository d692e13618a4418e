// What the owner of a counter answers, and how sure it is.
namespace Policyd.Plugins.Counters;

/// <summary>How far an answer of <see cref="ICounters"/> can be relied on.</summary>
public enum CounterState
{
    /// <summary>Read from, or committed to, the database.</summary>
    Known,

    /// <summary>The database is away: the answer comes from memory and is written when it is back.</summary>
    Deferred,

    /// <summary>The database is away and nothing is known of this key.</summary>
    Unavailable,
}

/// <summary>The sums of one counter in one window.</summary>
/// <param name="State">How sure they are; <see cref="CounterState.Unavailable"/> has zero sums.</param>
/// <param name="Total">The sums.</param>
public readonly record struct CounterReading(CounterState State, CounterAmounts Total);

/// <summary>The answer to check and reserve.</summary>
/// <param name="State">How sure it is; when <see cref="CounterState.Unavailable"/> nothing was checked or reserved.</param>
/// <param name="Admitted">Whether the mail is below the threshold; its amounts are then reserved.</param>
/// <param name="Total">The sums before this mail, with what other mails have in flight or reserved.</param>
public readonly record struct Admission(CounterState State, bool Admitted, CounterAmounts Total);
