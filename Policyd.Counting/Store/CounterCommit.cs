namespace Policyd.Counting.Store;

/// <summary>One group commit: all of it is in the database, or none of it.</summary>
/// <param name="Node">A fresh random id of each process start.</param>
/// <param name="Sequence">The number of the commit within the node; a commit that is tried again keeps its number.</param>
/// <param name="At">When it was made, by the node's clock (kept in milliseconds).</param>
/// <param name="RequestIds">The ids of all requests whose amounts are in <paramref name="Deltas"/>.</param>
/// <param name="Deltas">The changes, in their order; several of one row are applied as if one after the other.</param>
public sealed record CounterCommit(
    Guid Node, long Sequence, DateTimeOffset At, IReadOnlyList<UInt128> RequestIds, IReadOnlyList<CounterDelta> Deltas)
{
    /// <summary>How <see cref="RequestIds"/> are made; one format for all of them.</summary>
    public int IdFormat { get; init; } = CommittedIds.FirstFormat;

    /// <summary>
    /// The member of a cluster that commits: it must have entered and not been fenced, or the whole commit fails with
    /// <see cref="CounterStoreFailure.Fenced"/>. Null on a server that is alone.
    /// </summary>
    public string? Member { get; init; }

    /// <summary>Which entries of spools are in it.</summary>
    public IReadOnlyList<SpoolMark> Spooled { get; init; } = [];
}

/// <summary>The request ids of a commit that is in the database.</summary>
/// <param name="Node">Who wrote it.</param>
/// <param name="Sequence">Its number within the node.</param>
/// <param name="At">When it was made, by that node's clock.</param>
/// <param name="RequestIds">The ids.</param>
public sealed record CommittedIds(Guid Node, long Sequence, DateTimeOffset At, IReadOnlyList<UInt128> RequestIds)
{
    /// <summary>The format of ids that were written before formats were told apart: SHA-256 of instance, plugin, table and key.</summary>
    public const int FirstFormat = 1;

    /// <summary>Stands in the place of a format: no commit of this number is there, and none can come any more.</summary>
    public const int Closed = 0;

    /// <summary>How the ids are made.</summary>
    public int Format { get; init; } = FirstFormat;
}

/// <summary>All entries of a table in a node's spool up to a number are committed.</summary>
/// <param name="Node">The node whose spool it is; the node that writes it into a table may be a later one.</param>
/// <param name="Table">The counter table.</param>
/// <param name="Through">The number of the last entry. A mark never goes back: the larger number stays.</param>
public sealed record SpoolMark(Guid Node, string Table, long Through)
{
    /// <summary>
    /// The mark that must be there now, 0 for none: if it is another one the whole commit fails with
    /// <see cref="CounterStoreFailure.Conflict"/>, because somebody else has written entries of this table. Null: whatever is there.
    /// </summary>
    public long? From { get; init; }

    /// <summary>For how long what recognizes an entry of a spool is kept, counted from the oldest request id that is kept.</summary>
    public static TimeSpan Kept { get; } = TimeSpan.FromDays(30);
}
