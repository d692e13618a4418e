using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>What an earlier life has spooled is written once, whatever of it the database has already.</summary>
public sealed class SpoolReplaySpecs : IDisposable
{
    private const string Table = "acct_sender";
    private const string Month = "2026-11";
    private readonly TemporaryFolder _temporary = new();
    private readonly ScriptedCounterStore _store = new();
    private readonly Guid _node = Guid.NewGuid();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private SpoolFolder Folder => new(_temporary["spool"], 1024 * 1024);

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public async Task Entries_are_written_in_their_order_and_the_file_goes_with_the_last_table()
    {
        Spool(Entry(1), Entry(2) with { Table = "acct_client" }, Entry(3) with { IsAbsolute = true, Amounts = new(7, 7, 7, 7) }, Entry(4));
        using var replay = Replay();
        Assert.Equal([Table, "acct_client"], replay.Tables);
        Assert.Equal(2, await replay.WriteAsync(Table, Cancel));
        Assert.Equal(8, Count());
        Assert.Single(Directory.GetFiles(Folder.Path));
        Assert.Equal(1, await replay.WriteAsync("acct_client", Cancel));
        Assert.Null(await replay.WriteAsync(Table, Cancel));
        Assert.Empty(Directory.GetFiles(Folder.Path));
    }

    [Fact]
    public async Task Entries_below_the_mark_are_in()
    {
        Spool(Entry(1), Entry(2), Entry(3));
        await Commit(9, new SpoolMark(_node, Table, 2) { From = 0 });
        using var replay = Replay();
        Assert.Equal(1, await replay.WriteAsync(Table, Cancel));
        Assert.Equal([new SpoolMark(_node, Table, 3)], await _store.SpoolMarksAsync(_node, Cancel));
    }

    [Fact]
    public async Task Entries_of_a_commit_that_arrived_are_in_and_those_of_one_that_did_not_can_never_arrive()
    {
        Spool(Entry(1) with { Sequence = 4 }, Entry(2) with { Sequence = 5 }, Entry(3));
        await Commit(4);
        using var replay = Replay();
        Assert.Equal(2, await replay.WriteAsync(Table, Cancel));
        Assert.Equal(2, Count());
        await Assert.ThrowsAsync<CounterStoreException>(() => Commit(5));
        await Assert.ThrowsAsync<CounterStoreException>(() => Commit(6, new SpoolMark(_node, Table, 3) { From = 0 }));
        Assert.Equal(2, Count());
    }

    [Fact]
    public async Task Commit_that_arrives_in_the_middle_is_seen_and_nothing_is_written_twice()
    {
        Spool(Entry(1), Entry(2));
        _store.Commits.Next(_ =>
        {
            // What the killed server had under way: it comes between the look at the marks and the write.
            Add(2, new SpoolMark(_node, Table, 2) { From = 0 }).GetAwaiter().GetResult();
            throw new CounterStoreException(CounterStoreFailure.Conflict, "the mark is another");
        });
        using var replay = Replay();
        await Assert.ThrowsAsync<CounterStoreException>(() => replay.WriteAsync(Table, Cancel));
        Assert.Equal(0, await replay.WriteAsync(Table, Cancel));
        Assert.Equal(2, Count());
        Assert.Empty(Directory.GetFiles(Folder.Path));
    }

    [Fact]
    public async Task Answer_that_is_lost_writes_nothing_twice()
    {
        Spool(Entry(1), Entry(2));
        _store.Commits.Next(Script.DoButLoseTheAnswer());
        using var replay = Replay();
        await Assert.ThrowsAsync<CounterStoreException>(() => replay.WriteAsync(Table, Cancel));
        await replay.WriteAsync(Table, Cancel);
        Assert.Equal(2, Count());
    }

    [Fact]
    public async Task Request_that_was_asked_again_of_a_later_life_is_written_once()
    {
        Spool(Entry(1) with { RequestId = (UInt128)7 << 32 }, Entry(2) with { RequestId = (UInt128)8 << 32 });
        Spool(Guid.NewGuid(), Entry(1) with { RequestId = (UInt128)7 << 32 }, Entry(2) with { RequestId = (UInt128)9 << 32 });
        _store.CommittedElsewhere(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, (UInt128)9 << 32);
        using var replay = Replay();
        Assert.Equal(2, await replay.WriteAsync(Table, Cancel));
        Assert.Equal(2, Count());
    }

    private long Count() => _store[Table, "a", Month].Count;

    private void Spool(params SpoolEntry[] entries) => Spool(_node, entries);

    private void Spool(Guid node, params SpoolEntry[] entries)
    {
        using var file = new SpoolFile(Folder, new SpoolHeader(node, "db", "a database"));
        file.Append(entries);
    }

    private SpoolReplay Replay() => new(_store, () => Folder.TakeFormer(static _ => true, []), TimeProvider.System);

    private async Task Commit(long sequence, params SpoolMark[] marks) =>
        await _store.CommitAsync(new CounterCommit(_node, sequence, DateTimeOffset.UtcNow, [], []) { Spooled = marks }, Cancel);

    private async Task Add(long mails, params SpoolMark[] marks) => await _store.CommitAsync(
        new CounterCommit(_node, 77, DateTimeOffset.UtcNow, [], [new(Table, "a", Month, new(mails, mails, 0, 0))]) { Spooled = marks },
        Cancel);

    private static SpoolEntry Entry(long number) => new(
        number, 0, DateTimeOffset.UtcNow, Table, "a", Month, new CounterAmounts(1, 1, 1, 1), false, null, CommittedIds.FirstFormat);
}
