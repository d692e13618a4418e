using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>Who is lost is fenced before anything is read or written that he may have been writing; and only then.</summary>
public sealed class FencedCounterStoreSpecs : IAsyncDisposable
{
    private const string Me = "10.0.0.1:4053#1";
    private const string Other = "10.0.0.2:4053#2";
    private const string Third = "10.0.0.3:4053#3";
    private static readonly CounterDelta s_one = new("acct_sender", "a", "2026-11", new CounterAmounts(1, 1, 1, 1));

    private readonly ScriptedCounterStore _database = new();
    private readonly FencedCounterStore _store;
    private readonly Guid _node = Guid.NewGuid();
    private readonly List<string> _fencedSince = [];
    private long _sequence;

    public FencedCounterStoreSpecs() => _store = new FencedCounterStore(_database);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Node_that_is_no_member_yet_commits_nothing()
    {
        var failure = await Assert.ThrowsAsync<CounterStoreException>(Commit);
        Assert.Equal(CounterStoreFailure.Unavailable, failure.Failure);
        Assert.Empty(_database.Attempted);
        await Load();
    }

    [Fact]
    public async Task Member_enters_once_before_its_first_commit_and_commits_under_its_name()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await Commit();
        _store.BecomeMember(Me, _fencedSince.Add);
        await Commit();
        Assert.Equal([$"enter {Me}"], _database.Fences.Asked);
        Assert.All(_database.Applied, commit => Assert.Equal(Me, commit.Member));
        Assert.Throws<InvalidOperationException>(() => _store.BecomeMember(Other, _fencedSince.Add));
    }

    [Fact]
    public async Task Members_that_are_lost_are_fenced_before_each_kind_of_call_and_once()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await _store.RunAsync(Cancel);
        Func<Task>[] calls =
        [
            Load, Commit, () => _store.RequestIdsSinceAsync(DateTimeOffset.UtcNow, new Dictionary<Guid, long>(), Cancel),
            () => _store.SpoolMarksAsync(_node, Cancel), () => _store.CloseAsync(_node, 99, DateTimeOffset.UtcNow, Cancel),
            () => _store.RunAsync(Cancel),
        ];
        foreach (var call in calls)
        {
            var lost = $"lost#{Guid.NewGuid()}";
            _store.Fence(lost);
            await call();
            Assert.Equal($"fence {lost}", _database.Fences.Asked.Last());
            var before = _database.Fences.Calls;
            await call();
            Assert.Equal(before, _database.Fences.Calls);
        }
    }

    [Fact]
    public async Task All_that_entered_and_are_not_alive_are_fenced()
    {
        await _database.EnterMemberAsync(Other, Cancel);
        await _database.EnterMemberAsync(Third, Cancel);
        _store.BecomeMember(Me, _fencedSince.Add);
        _store.FenceAllBut(static () => [Third]);
        await Load();
        Assert.Equal([Me, Third], await _database.UnfencedMembersAsync(Cancel));
        _store.FenceAllBut(static () => [Me]);
        await Load();
        Assert.Equal([Me], await _database.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Member_that_joins_between_the_order_and_the_look_is_alive()
    {
        var alive = new List<string> { Me };
        _store.BecomeMember(Me, _fencedSince.Add);
        _store.FenceAllBut(() => alive);
        await _database.EnterMemberAsync(Third, Cancel);
        alive.Add(Third);
        await Load();
        Assert.Equal([Me, Third], await _database.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Nothing_is_read_or_written_while_a_fence_fails()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await _store.RunAsync(Cancel);
        foreach (var failure in new[] { CounterStoreFailure.Unavailable, CounterStoreFailure.Refused, CounterStoreFailure.Schema })
        {
            _database.Fences.Always = _ => Script.Fail(failure);
            _store.Fence(Other);
            _store.FenceAllBut(static () => [Me]);
            foreach (var call in new[] { Load, Commit })
            {
                Assert.Equal(
                    CounterStoreFailure.Unavailable, (await Assert.ThrowsAsync<CounterStoreException>(call)).Failure);
            }

            Assert.Empty(_database.Loaded);
            Assert.Empty(_database.Attempted);
        }

        _database.Fences.Always = _ => Script.Fail(CounterStoreFailure.Busy);
        Assert.Equal(CounterStoreFailure.Busy, (await Assert.ThrowsAsync<CounterStoreException>(Load)).Failure);
        _database.Fences.Always = null;
        await Load();
        Assert.Equal($"fence {Other}", _database.Fences.Asked.Last());
        await Commit();
    }

    [Fact]
    public async Task A_member_is_called_lost_only_when_one_is()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await _store.RunAsync(Cancel);
        _database.Fences.Always = static _ => Script.Fail(CounterStoreFailure.Unavailable);
        _store.FenceAllBut(static () => [Me]);
        Assert.Equal(
            "members of the cluster cannot be looked up: scripted: Unavailable",
            (await Assert.ThrowsAsync<CounterStoreException>(Load)).Message);
        _store.Fence(Other);
        Assert.Equal(
            "lost members of the cluster cannot be fenced: scripted: Unavailable",
            (await Assert.ThrowsAsync<CounterStoreException>(Load)).Message);
    }

    [Fact]
    public async Task What_is_lost_while_a_fence_is_under_way_is_fenced_before_the_call_goes_on()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await _store.RunAsync(Cancel);
        var gate = new TaskCompletionSource();
        _database.Fences.Next(Script.WaitFor(gate.Task));
        _store.Fence(Other);
        var first = Load();
        _store.Fence(Third);
        var second = Load();
        Assert.Empty(_database.Loaded);
        gate.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal([$"enter {Me}", $"fence {Other}", $"fence {Third}"], _database.Fences.Asked);
    }

    [Fact]
    public async Task Member_that_others_have_fenced_is_told_so_at_its_entry_and_at_each_commit()
    {
        await _database.FenceMemberAsync(Me, Cancel);
        _store.BecomeMember(Me, _fencedSince.Add);
        Assert.Equal(CounterStoreFailure.Fenced, (await Assert.ThrowsAsync<CounterStoreException>(Commit)).Failure);
        Assert.Equal(
            CounterStoreFailure.Fenced, (await Assert.ThrowsAsync<CounterStoreException>(() => _store.RunAsync(Cancel))).Failure);

        await using var other = new FencedCounterStore(_database);
        other.BecomeMember(Other, _fencedSince.Add);
        await other.RunAsync(Cancel);
        await _database.FenceMemberAsync(Other, Cancel);
        Assert.Equal(
            CounterStoreFailure.Fenced,
            (await Assert.ThrowsAsync<CounterStoreException>(
                () => other.CommitAsync(new CounterCommit(_node, 1, DateTimeOffset.UtcNow, [], [s_one]), Cancel))).Failure);
        Assert.Empty(_database.Applied);
    }

    [Fact]
    public async Task Nobody_fences_himself()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        _store.Fence(Me);
        _store.FenceAllBut(static () => []);
        await Commit();
        Assert.Equal([Me], await _database.UnfencedMembersAsync(Cancel));
    }

    [Fact]
    public async Task Member_that_is_fenced_itself_fences_nobody_and_is_told_so_before_it_reads()
    {
        _store.BecomeMember(Me, _fencedSince.Add);
        await _store.RunAsync(Cancel);
        await _database.EnterMemberAsync(Other, Cancel);
        await _database.FenceMemberAsync(Me, Cancel);
        _store.FenceAllBut(static () => [Me]);
        Assert.Equal(CounterStoreFailure.Fenced, (await Assert.ThrowsAsync<CounterStoreException>(Load)).Failure);
        Assert.Equal(["it is fenced"], _fencedSince);
        Assert.Empty(_database.Loaded);
        Assert.Equal([Other], await _database.UnfencedMembersAsync(Cancel));
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _database.DisposeAsync();
    }

    private Task Load() => _store.LoadAsync(
        "acct_sender", [new CounterLoad("a", new CounterTimeRange("2026-11", "2026-11"))], Cancel);

    private Task Commit() => _store.CommitAsync(new CounterCommit(_node, ++_sequence, DateTimeOffset.UtcNow, [], [s_one]), Cancel);
}
