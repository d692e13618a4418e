using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>When a writer begins its next commit: at once where nothing is gained by waiting, else 5 ms after the last.</summary>
public sealed class CommitGatheringSpecs
{
    private static readonly CounterWindow Month = CounterWindow.Calendar("%Y-%m", DateTimeOffset.UnixEpoch);
    private static readonly TimeSpan Wait = new CounterWriterSettings("db", TimeProvider.System).GatherTime;

    private readonly ManualClock _clock = new();
    private readonly RowOwnerUnderTest _owner = new();
    private readonly RecordedWriterEffects _effects = new();
    private readonly CounterWriter _writer;
    private bool _everyClientWaits;
    private ulong _requests;

    public CommitGatheringSpecs()
    {
        var settings = new CounterWriterSettings("db", _clock) { EveryClientWaits = () => _everyClientWaits };
        _writer = new CounterWriter(Guid.NewGuid(), settings, _effects);
    }

    [Fact]
    public void Writes_of_one_request_are_one_commit_of_an_idle_server_without_a_wait()
    {
        Write("a");
        Write("b");
        Assert.Equal((1, 0, 0), (_effects.Turns, _effects.Waits.Count, _effects.Commits.Count));
        _writer.OnGathered();
        _writer.OnIdsRead([]);
        Assert.Equal(2, Assert.Single(_effects.Commits).Deltas.Count);
    }

    [Fact]
    public void What_comes_soon_after_a_commit_began_waits_for_more_and_no_longer_than_that()
    {
        CommitOne();
        _clock.Advance(TimeSpan.FromMilliseconds(2));
        _effects.Turns = 0;
        Write("b");
        Write("c");
        Assert.Equal(WriterStep.Gathering, _writer.Step);
        Assert.Equal(Wait - TimeSpan.FromMilliseconds(2), Assert.Single(_effects.Waits));
        _writer.OnGathered();
        Assert.Equal(2, _effects.Commits[1].Deltas.Count);
        Assert.Equal(0, _effects.Turns);
    }

    [Fact]
    public void The_first_write_after_the_wait_ends_it()
    {
        CommitOne();
        Write("b");
        _clock.Advance(Wait);
        _effects.Turns = 0;
        Write("c");
        Write("d");
        Assert.Equal((1, 1), (_effects.Turns, _effects.Waits.Count));
        _writer.OnGathered();
        Assert.Equal(3, _effects.Commits[1].Deltas.Count);
    }

    [Fact]
    public void Nobody_waits_for_more_when_enough_is_there()
    {
        CommitOne();
        _effects.Turns = 0;
        var enough = new CounterWriterSettings("db", _clock).EnoughWrites;
        for (var number = 1; number < enough; number++)
        {
            Write($"key {number}");
        }

        Assert.Equal(0, _effects.Turns);
        Write("the last");
        Assert.Equal(1, _effects.Turns);
        _writer.OnGathered();
        Assert.Equal(enough, _effects.Commits[1].Deltas.Count);
    }

    [Fact]
    public void What_gathered_during_a_commit_is_the_next_one_at_once_when_it_is_enough()
    {
        CommitOne(isAnswered: false);
        for (var number = 0; number < new CounterWriterSettings("db", _clock).EnoughWrites; number++)
        {
            Write($"key {number}");
        }

        _writer.OnCommitted([]);
        Assert.Equal((2, 0), (_effects.Commits.Count, _effects.Waits.Count));
    }

    [Fact]
    public void Nobody_waits_for_more_when_each_client_waits_for_its_answer()
    {
        CommitOne();
        _effects.Turns = 0;
        Write("b");
        _everyClientWaits = true;
        Write("c");
        Write("d");
        Assert.Equal(1, _effects.Turns);
        _writer.OnGathered();
        Assert.Equal(3, _effects.Commits[1].Deltas.Count);
    }

    [Fact]
    public void Clients_that_are_about_to_get_their_answers_do_not_count_as_waiting()
    {
        CommitOne(isAnswered: false);
        Write("b");
        (_effects.Turns, _everyClientWaits) = (0, true);
        _writer.OnCommitted([]);
        Assert.Equal((WriterStep.Gathering, 0, 1), (_writer.Step, _effects.Turns, _effects.Waits.Count));
        Write("c");
        Assert.Equal(1, _effects.Turns);
    }

    // A commit that ends just when the wait would: each reading of this clock is later than the one before.
    [Fact]
    public void Something_ends_each_wait_also_when_time_passes_while_it_is_decided()
    {
        for (var tick = 0; tick < 20; tick++)
        {
            var clock = new TickingClock();
            var effects = new RecordedWriterEffects();
            var writer = new CounterWriter(Guid.NewGuid(), new CounterWriterSettings("db", clock), effects);
            writer.OnWrite(Add("a"));
            writer.OnGathered();
            writer.OnIdsRead([]);
            writer.OnWrite(Add("b"));
            clock.Advance(Wait - TimeSpan.FromTicks(tick));
            effects.Turns = 0;
            writer.OnCommitted([]);
            Assert.True(
                (writer.Step == WriterStep.Gathering) == (effects.Waits.Count + effects.Turns > 0), $"nothing ends the wait: {tick} ticks");
        }
    }

    [Fact]
    public void The_retry_of_a_refused_table_does_not_make_others_wait_longer()
    {
        CommitOne(isAnswered: false);
        _writer.OnFailed(CounterStoreFailure.Refused, "no such column", TimeSpan.Zero);
        _clock.Advance(Wait);
        _writer.OnWrite(Add("b", "acct_recipient"));
        _writer.OnTablePauseOver("acct_sender");
        Assert.Equal(WriterStep.Committing, _writer.Step);
        _writer.OnCommitted([]);
        Assert.Equal((3, WriterStep.Committing), (_effects.Commits.Count, _writer.Step));
        Assert.Equal("acct_recipient", Assert.Single(_effects.Commits[2].Deltas).Table);
    }

    [Fact]
    public void A_flush_does_not_wait()
    {
        CommitOne();
        Write("b");
        Assert.Single(_effects.Commits);
        _writer.OnFlush("asker");
        Assert.Equal(2, _effects.Commits.Count);
        Assert.Empty(_effects.FlushesDone);
        _writer.OnCommitted([]);
        Assert.Equal("asker", Assert.Single(_effects.FlushesDone));
    }

    [Fact]
    public void A_wait_that_ends_late_changes_nothing()
    {
        _writer.OnGathered();
        Assert.Equal(WriterStep.Idle, _writer.Step);
        CommitOne(isAnswered: false);
        Write("b");
        _writer.OnGathered();
        Assert.Equal((WriterStep.Committing, 1), (_writer.Step, _effects.Commits.Count));
    }

    [Fact]
    public void A_write_to_a_table_that_is_refused_begins_no_commit_of_nothing()
    {
        CommitOne(isAnswered: false);
        _writer.OnFailed(CounterStoreFailure.Refused, "no such column", TimeSpan.Zero);
        Assert.Equal(WriterStep.Idle, _writer.Step);
        _clock.Advance(Wait);
        Write("b");
        _writer.OnGathered();
        Assert.Equal((WriterStep.Idle, 1), (_writer.Step, _effects.Commits.Count));
    }

    private void CommitOne(bool isAnswered = true)
    {
        Write("a");
        _writer.OnGathered();
        _writer.OnIdsRead([]);
        Assert.Single(_effects.Commits);
        if (isAnswered)
        {
            _writer.OnCommitted([]);
        }
    }

    private void Write(string key) => _writer.OnWrite(Add(key));

    private AddOperation Add(string key, string table = "acct_sender") =>
        new(new CounterKey("db", table, key), Month, new CounterAmounts(1, 1, 1, 1), MailId.Of(key), new UInt128(++_requests, 0))
        {
            Owner = _owner,
        };

    private sealed class TickingClock : TimeProvider
    {
        private long _ticks = TimeSpan.TicksPerDay;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks++;

        public void Advance(TimeSpan by) => _ticks += by.Ticks;
    }
}
