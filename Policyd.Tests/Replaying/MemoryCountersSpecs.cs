using Policyd.Backends.SqlCounters;
using Policyd.Counting.Memory;
using Policyd.Counting.Store;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Replaying;

/// <summary>The counters of a replay: the owners of a server, with a memory of their own instead of a database.</summary>
public sealed class MemoryCountersSpecs
{
    private static readonly CounterKey s_key = new("db", "acct_sender", "a@b");
    private static readonly CounterAmounts s_mail = new(1, 2, 300, 600);
    private readonly ReplayClock _clock = new();

    public MemoryCountersSpecs() => _clock.MoveTo(new DateTimeOffset(2026, 11, 28, 10, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private CounterWindow Rolling => CounterWindow.Sliding(TimeSpan.FromDays(1), _clock.GetUtcNow());

    private CounterWindow Month => CounterWindow.Calendar("%Y-%m", _clock.GetUtcNow());

    [Fact]
    public async Task As_many_mails_are_let_in_as_the_threshold_allows()
    {
        var counters = new MemoryCounters(_clock);
        for (uint mail = 1; mail <= 5; mail++)
        {
            var check = await Ask(counters, Reserve(mail, threshold: 3));
            Assert.Equal(mail <= 3, check.Yes);
            Assert.Equal(Math.Min(3, mail - 1), check.Total.Count);
            if (check.Yes)
            {
                Assert.Equal(mail, (await Ask(counters, Add(mail))).Total.Count);
            }
        }

        Assert.Equal(new CounterAmounts(3, 6, 900, 1800), (await Ask(counters, new ReadOperation(s_key, Month))).Total);
    }

    [Fact]
    public async Task Mail_that_is_asked_about_again_is_counted_once_and_found()
    {
        var counters = new MemoryCounters(_clock);
        await Ask(counters, Add(1));
        Assert.Equal(1, (await Ask(counters, Add(1))).Total.Count);
        Assert.Equal(1, (await Ask(counters, new ReadOperation(s_key, Month))).Total.Count);
        Assert.True((await Ask(counters, new FindCountedOperation(s_key, [Id(1)]))).Yes);
        Assert.False((await Ask(counters, new FindCountedOperation(s_key, [Id(2)]))).Yes);
    }

    [Fact]
    public async Task Reservation_holds_a_place_until_it_is_released_or_its_time_is_over()
    {
        var counters = new MemoryCounters(_clock);
        Assert.True((await Ask(counters, Reserve(1, threshold: 1))).Yes);
        Assert.True((await Ask(counters, Reserve(1, threshold: 1))).Yes);
        Assert.False((await Ask(counters, Reserve(2, threshold: 1))).Yes);
        counters.Release(s_key, Mail(1));
        Assert.True((await Ask(counters, Reserve(2, threshold: 1))).Yes);
        _clock.MoveTo(_clock.GetUtcNow().AddMinutes(11));
        Assert.True((await Ask(counters, Reserve(3, threshold: 1))).Yes);
    }

    [Fact]
    public async Task Counters_of_many_keys_go_to_the_shelf_and_come_back_with_all_they_had()
    {
        const int Keys = 3 * MemoryCounters.MostHeld;
        using var shelf = new TemporaryCounterShelf();
        var counters = new MemoryCounters(_clock, shelf: shelf);
        var most = 0;
        uint mail = 0;
        for (var round = 1; round <= 2; round++)
        {
            for (var key = 0; key < Keys; key++)
            {
                _clock.MoveTo(_clock.GetUtcNow().AddMilliseconds(20));
                Assert.Equal(round, (await Ask(counters, AddTo(key, ++mail, Month))).Total.Count);
                Assert.Equal(2 * round, (await Ask(counters, AddTo(key, ++mail, Rolling))).Total.CountRcpt);
                most = Math.Max(most, counters.Held);
            }
        }

        Assert.InRange(most, 1, MemoryCounters.MostHeld);
        foreach (var key in new[] { 0, Keys / 2, Keys - 1 })
        {
            var read = new ReadOperation(s_key with { Key = $"{key}" }, Month);
            Assert.Equal(s_mail + s_mail, (await Ask(counters, read)).Total);
        }

        CounterAmounts none = default;
        _clock.MoveTo(_clock.GetUtcNow().AddDays(2));
        Assert.Equal(none, (await Ask(counters, new ReadOperation(s_key with { Key = "0" }, Rolling))).Total);

        static AddOperation AddTo(int key, uint mail, CounterWindow window) => new(
            s_key with { Key = $"{key}" }, window, s_mail, Mail(mail), Id(mail));
    }

    [Fact]
    public async Task A_key_that_is_asked_all_the_time_keeps_few_rows_and_its_sum()
    {
        using var shelf = new TemporaryCounterShelf();
        var counters = new MemoryCounters(_clock, shelf: shelf);
        var minute = TimeSpan.FromMinutes(1);
        for (uint mail = 1; mail <= 3 * MemoryCounters.MostHeld; mail++)
        {
            _clock.MoveTo(_clock.GetUtcNow().AddSeconds(1));
            var sum = (await Ask(counters, Add(mail, CounterWindow.Sliding(minute, _clock.GetUtcNow())))).Total.Count;
            Assert.InRange(sum, Math.Min(mail, 60), Math.Min(mail, 62));
        }

        Assert.InRange(counters.HeldRows, 0, MemoryCounters.MostHeld);
    }

    [Fact]
    public async Task A_mail_that_holds_a_place_holds_it_also_when_its_counter_is_not_asked_for_long()
    {
        using var shelf = new TemporaryCounterShelf();
        var counters = new MemoryCounters(_clock, shelf: shelf);
        Assert.True((await Ask(counters, Reserve(1, threshold: 1))).Yes);
        for (uint key = 0; key < 3 * MemoryCounters.MostHeld; key++)
        {
            await Ask(counters, new ReadOperation(s_key with { Key = $"other {key}" }, Month));
        }

        Assert.False((await Ask(counters, Reserve(2, threshold: 1))).Yes);
    }

    [Fact]
    public async Task Rolling_window_forgets_what_is_older_by_the_time_of_the_requests()
    {
        var counters = new MemoryCounters(_clock);
        var hour = TimeSpan.FromHours(1);
        await Ask(counters, Add(1, CounterWindow.Sliding(hour, _clock.GetUtcNow())));
        _clock.MoveTo(_clock.GetUtcNow().AddMinutes(50));
        await Ask(counters, Add(2, CounterWindow.Sliding(hour, _clock.GetUtcNow())));
        Assert.Equal(2, (await Ask(counters, new ReadOperation(s_key, CounterWindow.Sliding(hour, _clock.GetUtcNow())))).Total.Count);
        _clock.MoveTo(_clock.GetUtcNow().AddMinutes(20));
        Assert.Equal(1, (await Ask(counters, new ReadOperation(s_key, CounterWindow.Sliding(hour, _clock.GetUtcNow())))).Total.Count);
    }

    [Fact]
    public async Task Counts_begin_with_the_rows_of_the_database_which_are_read_once_a_window()
    {
        var reads = 0;
        var counters = new MemoryCounters(_clock, (key, window, _) =>
        {
            Interlocked.Increment(ref reads);
            IReadOnlyList<CounterRow> rows = window.Name == Month.Name ? [new CounterRow(key.Key, window.Time, new(98, 0, 0, 0))] : [];
            return Task.FromResult(rows);
        });
        var answers = await Task.WhenAll(Enumerable.Range(1, 10).Select(mail => Ask(counters, Add((uint)mail))));
        Assert.Equal(
            Enumerable.Range(99, 10).Select(static count => (long)count), answers.Select(static answer => answer.Total.Count).Order());
        Assert.False((await Ask(counters, Reserve(11, threshold: 108))).Yes);
        Assert.True((await Ask(counters, Reserve(11, threshold: 109))).Yes);
        Assert.Equal(1, reads);
        Assert.Equal(1, (await Ask(counters, Add(12, CounterWindow.Calendar("%Y", _clock.GetUtcNow())))).Total.Count);
        Assert.Equal(2, reads);
    }

    [Fact]
    public async Task Database_that_is_away_leaves_the_count_unknown_and_is_asked_again()
    {
        var isAway = true;
        var counters = new MemoryCounters(_clock, (_, _, _) => isAway
            ? throw new CounterStoreException(CounterStoreFailure.Unavailable, "away")
            : Task.FromResult<IReadOnlyList<CounterRow>>([]));
        Assert.Equal(CounterState.Unavailable, (await Ask(counters, Reserve(1, threshold: 1))).State);
        isAway = false;
        Assert.Equal(CounterState.Known, (await Ask(counters, Reserve(1, threshold: 1))).State);
    }

    private static MailId Mail(uint number) => MailId.Of($"mail.{number}");

    private static UInt128 Id(uint number) => CounterRequestId.Of(Mail(number), 1, "acct", s_key)!.Value;

    private ReserveOperation Reserve(uint mail, double threshold) => new(s_key, Month, CounterMetric.Count, threshold, s_mail, Mail(mail));

    private AddOperation Add(uint mail, CounterWindow? window = null) => new(s_key, window ?? Month, s_mail, Mail(mail), Id(mail));

    private static async Task<CounterAnswer> Ask(MemoryCounters counters, CounterOperation operation)
    {
        var phase = new CounterPhase();
        phase.Put(operation);
        await phase.RunAsync(counters, Cancel);
        return operation.Answer;
    }
}
