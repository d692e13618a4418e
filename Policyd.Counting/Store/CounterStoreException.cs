namespace Policyd.Counting.Store;

/// <summary>What a failed call of <see cref="ICounterStore"/> means for its caller.</summary>
public enum CounterStoreFailure
{
    /// <summary>The database cannot be reached, or is shutting down. Nothing was applied; try again after a while.</summary>
    Unavailable,

    /// <summary>A deadlock or serialization failure. Nothing was applied; try again at once.</summary>
    Conflict,

    /// <summary>The connection broke while COMMIT was under way: ask <see cref="ICounterStore.IsCommittedAsync"/>.</summary>
    CommitUnknown,

    /// <summary>This node has written this sequence number before: the commit is in the database, and was not applied again.</summary>
    AlreadyCommitted,

    /// <summary>The database refuses the write: disk full, read-only, no permission. Nothing was applied; an operator must act.</summary>
    Refused,

    /// <summary>A table is missing or not one that counters can live in. Nothing was applied; prepare it again.</summary>
    Schema,

    /// <summary>
    /// The database is there, and somebody holds a lock that was waited for in vain. Nothing was applied; try again at once, for as long as
    /// there is time.
    /// </summary>
    Busy,

    /// <summary>
    /// The commit's member was fenced by the others of its cluster, which may count its keys now. Nothing was applied, and nothing that it
    /// commits will ever be.
    /// </summary>
    Fenced,
}

/// <summary>A call of <see cref="ICounterStore"/> failed. The message is for operators and holds no secret.</summary>
/// <param name="failure">What it means for the caller.</param>
/// <param name="message">What happened, with the connection's description.</param>
/// <param name="inner">The driver's exception.</param>
public sealed class CounterStoreException(CounterStoreFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the failure means for the caller.</summary>
    public CounterStoreFailure Failure { get; } = failure;
}
