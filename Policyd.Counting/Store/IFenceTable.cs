namespace Policyd.Counting.Store;

/// <summary>
/// Who may commit to the counter tables of a database, when several servers are a cluster. A member has entered before its first commit;
/// each commit checks in its own transaction that its member has not been fenced. Failures are those of <see cref="ICounterStore"/>.
/// </summary>
public interface IFenceTable
{
    /// <summary>Enters a member, which may commit from now on. Safe to run again.</summary>
    /// <exception cref="CounterStoreException">With <see cref="CounterStoreFailure.Fenced"/>: it has been fenced.</exception>
    Task EnterMemberAsync(string member, CancellationToken ct);

    /// <summary>
    /// Fences a member, also one that never entered: when this has completed, no commit of it is under way, and none will succeed. Waits
    /// for one that is under way; fails with <see cref="CounterStoreFailure.Busy"/> when that takes long. Safe to run again.
    /// </summary>
    Task FenceMemberAsync(string member, CancellationToken ct);

    /// <summary>All members that have entered and are not fenced.</summary>
    Task<IReadOnlyList<string>> UnfencedMembersAsync(CancellationToken ct);
}
