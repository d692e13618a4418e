using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Clustering;

/// <summary>
/// The counter store of a node in a cluster, for one life of its member. Commits bear the member's name; and members that are lost are
/// fenced before anything is read or written that they may have been writing. While that fails the database counts as away. In the common
/// case nobody is to be fenced, which costs one comparison. Disposing it leaves the store below open, for the next life.
/// </summary>
/// <param name="store">The store of the database.</param>
public sealed class FencedCounterStore(ICounterStore store) : ICounterStore, IMemberFences
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly HashSet<string> _lost = new(StringComparer.Ordinal);
    private Func<IReadOnlyCollection<string>>? _alive;
    private string? _member;
    private Action<string>? _onFenced;
    private bool _hasEntered;
    private volatile bool _isDue;
    private volatile bool _knowsLost;

    /// <inheritdoc/>
    public void BecomeMember(string member, Action<string> onFenced)
    {
        lock (_lock)
        {
            if (_member is not null && _member != member)
            {
                throw new InvalidOperationException($"this store is used by the member {_member}, and not by {member}");
            }

            (_member, _onFenced, _isDue) = (member, onFenced, _isDue || !_hasEntered);
        }
    }

    /// <inheritdoc/>
    public void Fence(string member)
    {
        lock (_lock)
        {
            _lost.Add(member);
            _isDue = true;
        }
    }

    /// <inheritdoc/>
    public void FenceAllBut(Func<IReadOnlyCollection<string>> alive)
    {
        lock (_lock)
        {
            _alive = alive;
            _isDue = true;
        }
    }

    /// <inheritdoc/>
    public async Task RunAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            while (_isDue)
            {
                await RunOnceAsync(ct).ConfigureAwait(false);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct) => store.PrepareAsync(table, ct);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct) =>
        store.DescribePreparationAsync(table, ct);

    /// <inheritdoc/>
    public Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct) => store.LookAsync(table, ct);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct)
    {
        await SettleAsync(ct).ConfigureAwait(false);
        return await store.LoadAsync(table, loads, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct)
    {
        await SettleAsync(ct).ConfigureAwait(false);
        var member = Volatile.Read(ref _member) ?? throw new CounterStoreException(
            CounterStoreFailure.Unavailable, "this node is not a member of its cluster yet");
        return await store.CommitAsync(commit with { Member = member }, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => store.IsCommittedAsync(node, sequence, ct);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<SpoolMark>> SpoolMarksAsync(Guid node, CancellationToken ct)
    {
        await SettleAsync(ct).ConfigureAwait(false);
        return await store.SpoolMarksAsync(node, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<bool> CloseAsync(Guid node, long sequence, DateTimeOffset at, CancellationToken ct)
    {
        await SettleAsync(ct).ConfigureAwait(false);
        return await store.CloseAsync(node, sequence, at, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct)
    {
        await SettleAsync(ct).ConfigureAwait(false);
        return await store.RequestIdsSinceAsync(since, seen, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<CounterRow>> ListAsync(
        string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct) =>
        store.ListAsync(table, times, order, limit, ct);

    /// <inheritdoc/>
    public Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct) =>
        store.PurgeWindowsAsync(table, isOld, ct);

    /// <inheritdoc/>
    public Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct) => store.PurgeRequestIdsAsync(before, ct);

    /// <inheritdoc/>
    public Task EnterMemberAsync(string member, CancellationToken ct) => store.EnterMemberAsync(member, ct);

    /// <inheritdoc/>
    public Task FenceMemberAsync(string member, CancellationToken ct) => store.FenceMemberAsync(member, ct);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> UnfencedMembersAsync(CancellationToken ct) => store.UnfencedMembersAsync(ct);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _one.Dispose();
        return ValueTask.CompletedTask;
    }

    private ValueTask SettleAsync(CancellationToken ct) => _isDue ? new ValueTask(SettleDueAsync(ct)) : ValueTask.CompletedTask;

    private async Task SettleDueAsync(CancellationToken ct)
    {
        try
        {
            await RunAsync(ct).ConfigureAwait(false);
        }
        catch (CounterStoreException e) when (e.Failure is not (CounterStoreFailure.Fenced or CounterStoreFailure.Busy))
        {
            var what = _knowsLost ? "lost members of the cluster cannot be fenced" : "members of the cluster cannot be looked up";
            throw new CounterStoreException(CounterStoreFailure.Unavailable, $"{what}: {e.Message}", e);
        }
    }

    private async Task RunOnceAsync(CancellationToken ct)
    {
        var (member, enters, alive, lost) = Due();
        _knowsLost = lost.Count > 0;
        if (enters || (member is not null && alive is not null))
        {
            await EnterAsync(member!, ct).ConfigureAwait(false);
        }

        if (alive is not null)
        {
            var entered = await store.UnfencedMembersAsync(ct).ConfigureAwait(false);
            lost.UnionWith(entered.Except(alive(), StringComparer.Ordinal));
            _knowsLost = lost.Count > 0;
        }

        // Nobody fences himself: that is for others to do.
        foreach (var one in lost.Where(one => one != member))
        {
            await store.FenceMemberAsync(one, ct).ConfigureAwait(false);
        }

        Done(enters, alive, lost);
    }

    // Also before others are fenced: a member that is fenced itself, and does not know it yet, is to disturb nobody who counts.
    private async Task EnterAsync(string member, CancellationToken ct)
    {
        try
        {
            await store.EnterMemberAsync(member, ct).ConfigureAwait(false);
        }
        catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Fenced)
        {
            Volatile.Read(ref _onFenced)?.Invoke(e.Message);
            throw;
        }
    }

    private (string? Member, bool Enters, Func<IReadOnlyCollection<string>>? Alive, HashSet<string> Lost) Due()
    {
        lock (_lock)
        {
            return (_member, _member is not null && !_hasEntered, _alive, new HashSet<string>(_lost, StringComparer.Ordinal));
        }
    }

    /// <summary>What came meanwhile stays due.</summary>
    private void Done(bool hasEntered, Func<IReadOnlyCollection<string>>? looked, HashSet<string> fenced)
    {
        lock (_lock)
        {
            _hasEntered |= hasEntered;
            _lost.ExceptWith(fenced);
            if (ReferenceEquals(_alive, looked))
            {
                _alive = null;
            }

            _isDue = _lost.Count > 0 || _alive is not null || (_member is not null && !_hasEntered);
        }
    }
}
