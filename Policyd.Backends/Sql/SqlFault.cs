using Policyd.Counting.Store;

namespace Policyd.Backends.Sql;

/// <summary>What a driver's exception means.</summary>
/// <param name="Failure">Outside of a commit.</param>
/// <param name="Message">For operators.</param>
/// <param name="ConnectionLost">The connection is gone, so that a commit under way may have happened.</param>
/// <param name="Duplicate">A unique key was violated.</param>
internal readonly record struct SqlFault(CounterStoreFailure Failure, string Message, bool ConnectionLost = false, bool Duplicate = false)
{
    /// <summary>
    /// The connection is in a mode in which it refuses what another one may take: read-only since it was opened, or with a prepared
    /// statement that no longer fits. It must not go back to the pool. Nothing was applied.
    /// </summary>
    public bool IsOfThisConnection { get; init; }

    /// <summary>The server itself said it, in place of the result: nothing was applied.</summary>
    public bool IsAnswer { get; init; }

    /// <summary>The statement is wrong for this database, whatever is bound and on every connection.</summary>
    public bool IsOfStatement { get; init; }

    /// <summary>A column that must have a value was given none.</summary>
    public bool IsMissingValue { get; init; }

    /// <summary>It names a table that is not there.</summary>
    public bool IsMissingTable { get; init; }

    /// <summary>The time was over, and the server may still be at work.</summary>
    public bool TimedOut { get; init; }

    /// <summary>Whether what is open of the pool is worth nothing any more.</summary>
    public bool EndsPool => ConnectionLost || IsOfThisConnection;

    /// <summary>Whether another connection may do better at once.</summary>
    /// <param name="isRepeatable">Whether the statement may run twice.</param>
    public bool IsWorthAnother(bool isRepeatable) => !TimedOut && (IsOfThisConnection || (ConnectionLost && (isRepeatable || IsAnswer)));
}
