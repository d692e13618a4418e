using Policyd.Plugins.Counters;

namespace Policyd.Counting.Store;

/// <summary>
/// The counter tables of one connection: SQLite, PostgreSQL, MySQL/MariaDB. Every call may be made from any thread; commits
/// of one store run one after the other. Failures are <see cref="CounterStoreException"/>; a cancelled token throws
/// <see cref="OperationCanceledException"/>, but a commit that has begun is brought to its end. Keys and times may be any text:
/// what a table cannot hold is stored as <see cref="CounterKeyText"/> says, and answers name the key as the caller wrote it.
/// </summary>
public interface ICounterStore : IFenceTable, IAsyncDisposable
{
    /// <summary>Creates the table, or takes an existing one (mtpolicyd's) over. Safe to run again, and by two nodes at once.</summary>
    Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct);

    /// <summary>What <see cref="PrepareAsync"/> would do, in plain sentences; empty when the table is ready. Changes nothing.</summary>
    Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct);

    /// <summary>What the table is like as it is, without <see cref="PrepareAsync"/>; null when it is not there. Changes nothing.</summary>
    Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct);

    /// <summary>The rows of many keys. A key without a row is absent from the answer.</summary>
    Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct);

    /// <summary>Applies a commit and answers the new totals, one for each distinct row of it.</summary>
    Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct);

    /// <summary>Whether a commit is in the database: the answer to <see cref="CounterStoreFailure.CommitUnknown"/>.</summary>
    Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct);

    /// <summary>
    /// How far the spool of a node is committed, by table. Marks, and the newest commit of each node, outlive the other commits: a spool is
    /// replayed exactly once for as long as <see cref="SpoolMark.Kept"/>.
    /// </summary>
    Task<IReadOnlyList<SpoolMark>> SpoolMarksAsync(Guid node, CancellationToken ct);

    /// <summary>
    /// Whether a commit of a process that has ended is in the database. If not, it never will be: one that is still on its way, in a
    /// connection that the process has left behind, is refused.
    /// </summary>
    Task<bool> CloseAsync(Guid node, long sequence, DateTimeOffset at, CancellationToken ct);

    /// <summary>
    /// Request ids that were committed since a time. Of a node in <paramref name="seen"/> only the commits after that sequence
    /// number (whatever their time; <see cref="long.MaxValue"/> leaves the node out), of another those since <paramref name="since"/>.
    /// </summary>
    Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct);

    /// <summary>
    /// Deletes the rows of old windows in many small transactions, so that commits go on meanwhile. Answers how many.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="isOld">Says whether the window of that text is to go; asked once for each distinct text in a page of rows.</param>
    /// <param name="ct">Stops between two transactions.</param>
    Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct);

    /// <summary>
    /// Deletes the request ids of commits made before a time, in small transactions. Answers how many commits. The newest commit of each
    /// server stays for 30 days more: it tells what of an outage is written.
    /// </summary>
    /// <param name="before">The time.</param>
    /// <param name="ct">Stops between two transactions.</param>
    Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct);

    /// <summary>
    /// The largest counters first. With <paramref name="times"/> one row a key: the sums over those rows, its time being the
    /// range's last; without, every row as it is.
    /// </summary>
    Task<IReadOnlyList<CounterRow>> ListAsync(string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct);
}
