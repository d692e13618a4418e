// What the owner of a counter answers, how sure it is, and why it is not.
namespace Policyd.Plugins.Counters;

/// <summary>How far an answer of <see cref="ICounters"/> can be relied on.</summary>
public enum CounterState
{
    /// <summary>Read from, or committed to, the database.</summary>
    Known,

    /// <summary>The database is away: the answer comes from memory and is written when it is back.</summary>
    Deferred,

    /// <summary>Nothing is known of this key, or the add was not taken: <see cref="CounterReason"/> says why.</summary>
    Unavailable,

    /// <summary>
    /// The add was not taken: the counter has had another owner since it let the mail in, and there is no room for the mail any more. The
    /// chain runs again, so that the Quota answers.
    /// </summary>
    Stale,
}

/// <summary>Why an answer is not <see cref="CounterState.Known"/>.</summary>
public enum CounterReason
{
    /// <summary>It is known.</summary>
    None,

    /// <summary>The database is away, or refuses the table.</summary>
    Database,

    /// <summary>The owner of the key did not answer in time: it waits for the database, or moves to another node.</summary>
    Owner,

    /// <summary>This node is cut off from most of its cluster and cannot know the sums.</summary>
    Quorum,

    /// <summary>The database is away, and the spool on the local disk takes no more.</summary>
    Spool,
}

/// <summary>The answer to one <see cref="CounterOperation"/>.</summary>
/// <param name="State">How sure it is.</param>
/// <param name="Reason">Why it is not known.</param>
/// <param name="Yes">Whether the mail is admitted; of a question for what is counted, whether it is.</param>
/// <param name="IsNew">Whether a reservation was made that was not there before.</param>
/// <param name="Total">The sums; of an admission those before this mail, with what other mails have in flight.</param>
public readonly record struct CounterAnswer(CounterState State, CounterReason Reason, bool Yes, bool IsNew, CounterAmounts Total)
{
    /// <summary>No answer came in time.</summary>
    public static CounterAnswer None { get; } = Unavailable(CounterReason.Owner);

    /// <summary>Sums that are known.</summary>
    /// <param name="total">The sums.</param>
    public static CounterAnswer Known(CounterAmounts total) => new(CounterState.Known, CounterReason.None, true, false, total);

    /// <summary>Kept, and written when the database is back.</summary>
    public static CounterAnswer Deferred { get; } = new(CounterState.Deferred, CounterReason.Database, true, false, default);

    /// <summary>Kept on this node's disk until another node has counted it.</summary>
    /// <param name="reason">Why it is not counted yet.</param>
    internal static CounterAnswer Kept(CounterReason reason) => Deferred with { Reason = reason };

    /// <summary>The mail is to be checked again.</summary>
    internal static CounterAnswer Stale { get; } = new(CounterState.Stale, CounterReason.None, false, false, default);

    /// <summary>Nothing is known; a mail is admitted.</summary>
    /// <param name="reason">Why.</param>
    public static CounterAnswer Unavailable(CounterReason reason) => new(CounterState.Unavailable, reason, true, false, default);
}
