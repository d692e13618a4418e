namespace Policyd.Counting.Store;

/// <summary>One group commit: all of it is in the database, or none of it.</summary>
/// <param name="Node">A fresh random id of each process start.</param>
/// <param name="Sequence">The number of the commit within the node; a commit that is tried again keeps its number.</param>
/// <param name="At">When it was made, by the node's clock (kept in milliseconds).</param>
/// <param name="RequestIds">The ids of all requests whose amounts are in <paramref name="Deltas"/>.</param>
/// <param name="Deltas">The changes, in their order; several of one row are applied as if one after the other.</param>
public sealed record CounterCommit(
    Guid Node, long Sequence, DateTimeOffset At, IReadOnlyList<UInt128> RequestIds, IReadOnlyList<CounterDelta> Deltas);

/// <summary>The request ids of a commit that is in the database.</summary>
/// <param name="Node">Who wrote it.</param>
/// <param name="Sequence">Its number within the node.</param>
/// <param name="At">When it was made, by that node's clock.</param>
/// <param name="RequestIds">The ids.</param>
public sealed record CommittedIds(Guid Node, long Sequence, DateTimeOffset At, IReadOnlyList<UInt128> RequestIds);
