using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>A real store that can be away, and whose next commit can go wrong in the ways a broken connection makes it go wrong.</summary>
internal sealed class FaultyCounterStore(ICounterStore inner) : ICounterStore
{
    private volatile bool _away;
    private int _fault;

    public enum CommitFault
    {
        None,

        /// <summary>The commit happens; its answer is lost.</summary>
        AnswerLost,

        /// <summary>The commit does not happen, and nobody can tell.</summary>
        CommitLost,

        /// <summary>A deadlock.</summary>
        Conflict,
    }

    public bool Away
    {
        get => _away;
        set => _away = value;
    }

    public CommitFault NextCommit
    {
        get => (CommitFault)Volatile.Read(ref _fault);
        set => Volatile.Write(ref _fault, (int)value);
    }

    public Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct) => Reached().PrepareAsync(table, ct);

    public Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct) =>
        Reached().DescribePreparationAsync(table, ct);

    public Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct) => Reached().LookAsync(table, ct);

    public Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct) =>
        Reached().LoadAsync(table, loads, ct);

    public async Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct)
    {
        var store = Reached();
        switch ((CommitFault)Interlocked.Exchange(ref _fault, 0))
        {
            case CommitFault.AnswerLost:
                await store.CommitAsync(commit, ct);
                throw new CounterStoreException(CounterStoreFailure.CommitUnknown, "the answer was lost");
            case CommitFault.CommitLost:
                throw new CounterStoreException(CounterStoreFailure.CommitUnknown, "the commit was lost");
            case CommitFault.Conflict:
                throw new CounterStoreException(CounterStoreFailure.Conflict, "a deadlock");
            default:
                return await store.CommitAsync(commit, ct);
        }
    }

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => Reached().IsCommittedAsync(node, sequence, ct);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct) =>
        Reached().RequestIdsSinceAsync(since, seen, ct);

    public Task<bool> CloseAsync(Guid node, long sequence, DateTimeOffset at, CancellationToken ct) =>
        Reached().CloseAsync(node, sequence, at, ct);

    public Task<IReadOnlyList<SpoolMark>> SpoolMarksAsync(Guid node, CancellationToken ct) => Reached().SpoolMarksAsync(node, ct);

    public Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct) =>
        Reached().PurgeWindowsAsync(table, isOld, ct);

    public Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct) => Reached().PurgeRequestIdsAsync(before, ct);

    public Task<IReadOnlyList<CounterRow>> ListAsync(
        string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct) =>
        Reached().ListAsync(table, times, order, limit, ct);

    public Task EnterMemberAsync(string member, CancellationToken ct) => Reached().EnterMemberAsync(member, ct);

    public Task FenceMemberAsync(string member, CancellationToken ct) => Reached().FenceMemberAsync(member, ct);

    public Task<IReadOnlyList<string>> UnfencedMembersAsync(CancellationToken ct) => Reached().UnfencedMembersAsync(ct);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private ICounterStore Reached() =>
        _away ? throw new CounterStoreException(CounterStoreFailure.Unavailable, "the database is away") : inner;
}
