using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Counting.Owners;
using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Tests.Counters;

/// <summary>The group commit against a database that has bad days. What is answered is in the table, once.</summary>
public sealed class CounterWriterSpecs : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");

    private readonly ActorSystem _system = ActorSystem.Create("writer", "akka { loglevel = WARNING, stdout-loglevel = OFF, loggers = [] }");
    private readonly ScriptedCounterStore _store = new();
    private readonly RowOwnerUnderTest _owner = new();
    private readonly List<AddOperation> _adds = [];
    private uint _settledAsked;
    private readonly Recorder _log;
    private readonly LogCapture _lines = new();

    public CounterWriterSpecs()
    {
        _log = new Recorder(_system);
        _system.EventStream.Subscribe(_log.Self, typeof(Akka.Event.LogEvent));
    }

    public static TheoryData<CounterStoreFailure> Failures =>
    [
        .. Enum.GetValues<CounterStoreFailure>()
            .Where(static failure => failure is not (CounterStoreFailure.AlreadyCommitted or CounterStoreFailure.Fenced)),
    ];

    private IReadOnlyList<AddOperation> Answers => [.. _adds.Where(add => add.Answer.State == CounterState.Known)];

    private int Deferred => _adds.Count(add => add.Answer.State == CounterState.Deferred);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _lines.Dispose();
    }

    [Fact]
    public async Task Adds_that_come_while_a_commit_is_under_way_share_the_next_one()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "a", 1);
        await Eventually.Holds("the first commit to begin", () => _store.Attempted.Count == 1);
        for (UInt128 id = 2; id <= 21; id++)
        {
            Add(writer, id % 2 == 0 ? "a" : "b", id);
        }

        await Asked(writer);
        Assert.Empty(Answers);
        gate.SetResult();
        await Answered(21);
        Assert.Equal(2, _store.Applied.Count);
        Assert.Equal(["a", "b"], _store.Applied.Last().Deltas.Select(delta => delta.Key).Order());
        Assert.Equal(20, _store.Applied.Last().RequestIds.Count);
        Assert.Equal(11, Count("a"));
        Assert.Equal(10, Count("b"));
        Assert.Equal(11, Answers.Last(one => one.Key.Key == "a").Answer.Total.Count);
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Add_whose_first_commit_fails_is_counted_once_by_a_later_one(CounterStoreFailure failure)
    {
        _store.Commits.Next(Script.Fail(failure), Script.Fail(failure));
        var writer = Writer();
        Add(writer, "a", 1);
        await Settled(writer);
        Assert.Equal(1, Count("a"));
        Assert.Equal(1, Assert.Single(_owner.Told).Total.Count);
        Assert.Single(_store.Applied);
    }

    [Fact]
    public async Task Commit_that_happened_without_an_answer_is_found_and_not_done_again()
    {
        _store.Commits.Next(Script.DoButLoseTheAnswer());
        _store.Lookups.Next(Script.Fail(CounterStoreFailure.Unavailable), Script.Fail(CounterStoreFailure.Unavailable));
        var writer = Writer();
        Add(writer, "a", 1);
        await Settled(writer);
        Assert.Equal(1, Count("a"));
        Assert.Equal(1, Assert.Single(_owner.Told).Total.Count);

        Add(writer, "a", 2);
        await Answered(1);
        Assert.Equal(2, Count("a"));
    }

    [Fact]
    public async Task Commit_that_shows_up_only_when_it_is_tried_again_is_not_done_twice()
    {
        // The lookup came before the database had finished: it said no, and the unique number says yes.
        _store.Commits.Next(
            Script.Fail(CounterStoreFailure.CommitUnknown),
            work =>
            {
                work();
                throw new CounterStoreException(CounterStoreFailure.AlreadyCommitted, "scripted");
            });
        Add(Writer(), "a", 1);
        await Answered(1);
        Assert.Equal(1, Count("a"));
        Assert.Equal(1, Answers[0].Answer.Total.Count);
    }

    [Fact]
    public async Task Deadlock_is_tried_again_without_a_word()
    {
        _store.Commits.Next(Script.Fail(CounterStoreFailure.Conflict), Script.Fail(CounterStoreFailure.Conflict));
        Add(Writer(), "a", 1);
        await Answered(1);
        Assert.Equal(1, Count("a"));
        Assert.Empty(Of(LogLevel.Error));
        Assert.Equal(0, Deferred);
    }

    [Theory, InlineData(CounterStoreFailure.Unavailable), InlineData(CounterStoreFailure.CommitUnknown)]
    public async Task Connection_that_died_while_nobody_used_it_is_no_database_that_is_away(CounterStoreFailure failure)
    {
        _store.Commits.Next(Script.Fail(failure));
        Add(Writer(), "a", 1);
        await Answered(1);
        Assert.Empty(_log.Told);
        Assert.Empty(_lines.Lines);
        Assert.Equal(0, Deferred);
    }

    [Fact]
    public async Task Lock_that_somebody_holds_is_waited_for()
    {
        _store.Prepares.Next(Script.Fail(CounterStoreFailure.Busy));
        _store.ResendReads.Next(Script.Fail(CounterStoreFailure.Busy));
        _store.Commits.Next([.. Enumerable.Repeat(Script.Fail(CounterStoreFailure.Busy), 20)]);
        Add(Writer(), "a", 1);
        await Answered(1);
        Assert.Equal(1, Count("a"));
        Assert.Empty(Of(LogLevel.Error));
        Assert.Equal(0, Deferred);
    }

    [Fact]
    public async Task Database_that_is_slow_is_waited_for_and_told_with_what_it_was_asked_and_how_long()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer(settings => settings with { SlowAfter = TimeSpan.FromMilliseconds(20) });
        Add(writer, "a", 1);
        await Eventually.Holds(
            "a line that it is slow",
            () => Lines(LogLevel.Warning, "the database is slow: writing counters of acct_sender has taken ") == 1);
        Add(writer, "a", 2, table: "acct_other");
        gate.SetResult();
        await Answered(2);
        await Eventually.Holds("a line of how long it took", () => Lines(LogLevel.Warning, "writing counters of acct_sender took ") == 1);
        Assert.Equal(2, Of(LogLevel.Warning).Count);
        Assert.Empty(Of(LogLevel.Error));
        Assert.Equal(0, Deferred);
    }

    [Fact]
    public async Task Database_that_says_nothing_for_long_is_away_and_what_it_does_in_the_end_counts()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer(settings => settings with { AwayAfter = TimeSpan.FromMilliseconds(50) });
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred == 1);
        Assert.Equal(1, Lines(LogLevel.Error, "no answer, for "));
        Add(writer, "a", 2);
        await Eventually.Holds("another to be told so at once", () => Deferred == 2);
        gate.SetResult();
        await Settled(writer);
        Assert.Equal(2, Count("a"));
        await Eventually.Holds(
            "a line that it is back", () => Lines(LogLevel.Warning, "2 mails were answered before they were counted") == 1);
    }

    [Fact]
    public async Task Deadlock_without_end_lets_the_mail_go_on()
    {
        _store.Commits.Always = _ => Script.Fail(CounterStoreFailure.Conflict);
        var writer = Writer(settings => settings with { AwayAfter = TimeSpan.FromMilliseconds(50) });
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred > 0);
        _store.Commits.Always = null;
        await Settled(writer);
        Assert.Equal(1, Count("a"));
    }

    [Fact]
    public async Task Table_that_refuses_hurts_no_other_table()
    {
        _store.Objection = commit => commit.Deltas.Any(delta => delta.Table == "broken") ? CounterStoreFailure.Refused : null;
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "first", 1);
        Add(writer, "a", 2);
        Add(writer, "x", 3, table: "broken");
        Add(writer, "b", 4, table: "acct_other");
        gate.SetResult();
        await Answered(3);
        Assert.Equal(1, Count("a"));
        Assert.Equal(1, Count("b", "acct_other"));
        await Eventually.Holds("the mail in the broken table to be told to go on", () => Deferred == 1);
        Add(writer, "a", 5);
        await Answered(4);
        Assert.Equal(2, Count("a"));
        Assert.Contains(Of(LogLevel.Error), line => line.Contains("broken", StringComparison.Ordinal));

        _store.Objection = static _ => null;
        await Eventually.Holds("the broken table's add to be written once it is mended", () => Count("x", "broken") == 1);
        Add(writer, "x", 3, table: "broken");
        Add(writer, "x", 6, table: "broken");
        await Eventually.Holds("one more", () => Count("x", "broken") == 2);
        Assert.Equal(2, Count("a"));
    }

    [Fact]
    public async Task Owner_that_waits_in_a_batch_of_other_tables_is_told_when_that_is_refused()
    {
        _store.Objection = commit => commit.Deltas.Any(delta => delta.Table == "broken") ? CounterStoreFailure.Refused : null;
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer(settings => settings with { FirstBackOff = TimeSpan.FromHours(1), LongestBackOff = TimeSpan.FromHours(1) });
        Add(writer, "first", 1);
        await Eventually.Holds("the first commit to begin", () => _store.Attempted.Count == 1);
        Add(writer, "x", 2, table: "broken");
        Add(writer, "a", 3, table: "acct_other");
        var together = AskWhenSettled(writer, Table);
        await Asked(writer);
        gate.SetResult();
        await Settled(together);
        await Eventually.Holds("the other table to be written", () => Count("a", "acct_other") == 1);

        // The same where the refused table is alone in its batch.
        gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        Add(writer, "first", 4);
        await Eventually.Holds("another commit to begin", () => _store.Attempted.Last().RequestIds.Contains(Mail(4)));
        _store.Objection = commit => commit.Deltas.Any(delta => delta.Table == "worse") ? CounterStoreFailure.Refused : null;
        Add(writer, "y", 5, table: "worse");
        var alone = AskWhenSettled(writer, Table);
        await Asked(writer);
        gate.SetResult();
        await Settled(alone);
    }

    [Fact]
    public async Task Owner_of_a_refused_table_that_asks_while_it_is_tried_again_is_told_when_it_is_written()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.Fail(CounterStoreFailure.Refused), Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "x", 1, table: "broken");
        await Eventually.Holds("the table to be refused, and tried again", () => Deferred == 1 && _store.Commits.Calls == 2);
        var asked = AskWhenSettled(writer, "broken");
        await Asked(writer);
        gate.SetResult();
        await Settled(asked);
        Assert.Equal(1, Count("x", "broken"));
    }

    [Theory]
    [InlineData(CounterStoreFailure.Unavailable)]
    [InlineData(CounterStoreFailure.Refused)]
    [InlineData(CounterStoreFailure.Schema)]
    public async Task While_the_database_is_away_adds_are_deferred_at_once_and_written_when_it_is_back(CounterStoreFailure failure)
    {
        _store.Commits.Always = _ => Script.Fail(failure);
        var writer = Writer();
        for (UInt128 id = 1; id <= 10; id++)
        {
            Add(writer, "a", id);
        }

        await Eventually.Holds("ten mails to be told to go on", () => Deferred == 10);
        await Eventually.Holds("a few more tries", () => _store.Commits.Calls > 3);
        Assert.Single(Of(LogLevel.Error));
        Assert.Empty(Answers);
        _store.Commits.Always = null;
        await Eventually.Holds("ten mails to be counted", () => Count("a") == 10);
        await Settled(writer);
        Assert.Equal(10, _owner.Told[^1].Total.Count);
        await Eventually.Holds("a line that it is back", () => Of(LogLevel.Warning).Count == 1);
    }

    [Fact]
    public async Task Past_the_bound_the_oldest_id_is_forgotten_and_the_add_is_kept()
    {
        using var forgotten = new MetricListener("policyd.counters.forgotten_request_ids");
        _store.Commits.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        var writer = Writer(settings => settings with { MaxPending = 4 });
        Add(writer, "first", 100);
        await Eventually.Holds("the database to be known to be away", () => Deferred == 1);
        for (UInt128 id = 1; id <= 7; id++)
        {
            Add(writer, "a", id);
        }

        await Asked(writer);
        Assert.True(forgotten.Sum >= 3, $"{forgotten.Sum} forgotten");
        _store.Commits.Always = null;
        await Eventually.Holds("seven mails to be counted", () => Count("a") == 7);
        Assert.Equal<UInt128>([Mail(4), Mail(5), Mail(6), Mail(7)], _store.Applied.Last().RequestIds.Order());
    }

    [Fact]
    public async Task Resend_is_answered_with_the_total_and_not_counted()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "a", 1);
        await Eventually.Holds("the commit to begin", () => _store.Attempted.Count == 1);
        Add(writer, "a", 1);
        await Asked(writer);
        gate.SetResult();
        await Answered(2);
        Add(writer, "a", 1);
        await Answered(3);
        Assert.Equal(1, Count("a"));
        Assert.All(Answers, answer => Assert.Equal(1, answer.Answer.Total.Count));
    }

    [Fact]
    public async Task Resend_while_the_database_is_away_does_not_weigh_on_the_key_as_a_second_mail()
    {
        _store.Commits.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        var writer = Writer();
        Add(writer, "a", 1);
        Add(writer, "a", 1);
        Add(writer, "a", 2);
        await Eventually.Holds("three mails to be told to go on", () => Deferred == 3);
        Assert.Equal(1, _owner.Told.Where(one => one.Kind == RowReportKind.Retracted).Sum(one => one.Total.Count));
        _store.Commits.Always = null;
        await Settled(writer);
        Assert.Equal(2, Count("a"));
        Assert.Equal(2, _owner.Told[^1].Total.Count);
    }

    [Fact]
    public async Task Resend_after_a_restart_is_known_from_the_database()
    {
        var first = Writer();
        Add(first, "a", 1);
        await Answered(1);
        await first.GracefulStop(Eventually.Timeout);

        _store.ResendReads.Next(Script.Fail(CounterStoreFailure.Unavailable));
        var second = Writer();
        Add(second, "a", 1);
        Add(second, "a", 2);
        await Settled(second);
        Assert.Equal(2, Count("a"));
    }

    [Fact]
    public async Task Requests_that_another_node_counted_are_not_counted_by_a_new_owner_here()
    {
        var other = Guid.NewGuid();
        var writer = Writer();
        Add(writer, "a", 1);
        await Answered(1);
        _store.CommittedElsewhere(other, 5, DateTimeOffset.UtcNow, Mail(7), Mail(8));
        writer.Tell(KeysMoved.Instance);
        Add(writer, "b", 7);
        Add(writer, "b", 9);
        await Answered(3);
        Assert.Equal(1, Count("b"));
        _store.CommittedElsewhere(other, 6, DateTimeOffset.UtcNow, Mail(10));
        writer.Tell(KeysMoved.Instance);
        Add(writer, "c", 10);
        await Answered(4);
        Assert.Equal(0, Count("c"));
        Assert.Equal(5, _store.Seen.Last()[other]);
    }

    [Fact]
    public async Task Request_is_found_while_it_is_being_counted_and_after_a_restart()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var first = Writer();
        Add(first, "a", 1);
        await Eventually.Holds("the commit to begin", () => _store.Attempted.Count == 1);
        Assert.True(await Finds(first, Mail(1)));
        gate.SetResult();
        await Answered(1);
        Assert.True(await Finds(first, Mail(1)));
        Assert.False(await Finds(first, Mail(1) | 1));
        Assert.False(await Finds(first, Mail(2)));
        await first.GracefulStop(Eventually.Timeout);

        var second = Writer();
        Assert.True(await Finds(second, Mail(1)));
        Assert.False(await Finds(second, Mail(1) | 1));
        Add(second, "a", 1);
        Add(second, "a", 2);
        await Answered(3);
        Assert.Equal(2, Count("a"));
    }

    [Fact]
    public async Task Question_waits_for_the_commit_under_way_and_what_it_reads_is_taken_out_of_what_gathers()
    {
        var other = Guid.NewGuid();
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "a", 1);
        await Eventually.Holds("the commit to begin", () => _store.Attempted.Count == 1);
        _store.CommittedElsewhere(other, 5, DateTimeOffset.UtcNow, Mail(7));
        Add(writer, "b", 7);
        writer.Tell(KeysMoved.Instance);
        var found = Finds(writer, Mail(7) | 1);
        await Asked(writer);
        Assert.False(found.IsCompleted);
        gate.SetResult();
        Assert.False(await found);
        await Answered(2);
        Assert.Equal(0, Count("b"));
    }

    [Fact]
    public async Task Question_is_answered_while_the_database_is_away_and_the_adds_beside_it_are_kept()
    {
        _store.ResendReads.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        var writer = Writer();
        Assert.False(await Finds(writer, Mail(1)));
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred > 0);
        Assert.True(await Finds(writer, Mail(1)));
        Assert.False(await Finds(writer, Mail(2)));
        _store.ResendReads.Always = null;
        await Settled(writer);
        Assert.Equal(1, Count("a"));
    }

    [Fact]
    public async Task Own_commits_are_not_read_back_again_and_again()
    {
        var writer = Writer();
        writer.Tell(KeysMoved.Instance);
        Add(writer, "a", 1);
        await Answered(1);
        writer.Tell(KeysMoved.Instance);
        Add(writer, "b", 2);
        await Answered(2);
        Assert.Equal(long.MaxValue, _store.Seen.Last()[_store.Applied.Last().Node]);
    }

    [Fact]
    public async Task Set_ends_what_was_added_before_it_and_its_resends_too()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "first", 1);
        Add(writer, "a", 2);
        var set = new SetSumsOperation(new CounterKey("db", Table, "a"), Month, new CounterAmounts(50, 0, 0, 0), CounterSums.All);
        set.Expect(1);
        writer.Tell(new SetRowOperation(set, Month, set.Amounts) { Owner = _owner });
        Add(writer, "a", 3);
        await Asked(writer);
        gate.SetResult();
        await Settled(writer);
        Assert.Equal(51, Count("a"));
        await writer.GracefulStop(Eventually.Timeout);

        var second = Writer();
        Add(second, "a", 2);
        Add(second, "a", 3);
        await Settled(second);
        Assert.Equal(51, Count("a"));
    }

    [Fact]
    public async Task Clean_stop_writes_what_there_is()
    {
        var gate = new TaskCompletionSource();
        _store.Commits.Next(Script.WaitFor(gate.Task));
        var writer = Writer();
        Add(writer, "a", 1);
        Add(writer, "a", 2);
        var flushed = writer.Ask<Flushed>(new Flush(), Eventually.Timeout, TestContext.Current.CancellationToken);
        await Asked(writer);
        Assert.False(flushed.IsCompleted);
        gate.SetResult();
        await Eventually.Ends("the flush", flushed);
        Assert.Equal(2, Count("a"));
        await writer.GracefulStop(Eventually.Timeout);
        Assert.Empty(_log.Told);
        Assert.Empty(_lines.Lines);
    }

    [Fact]
    public async Task Stop_that_cannot_write_says_how_much_it_lost()
    {
        _store.Commits.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        var writer = Writer();
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred == 1);
        Add(writer, "a", 2);
        Add(writer, "b", 3);
        await Asked(writer);
        Add(writer, "b", 4, table: "acct_other");
        await Asked(writer);
        await writer.GracefulStop(Eventually.Timeout);
        await Eventually.Holds(
            "the loss in the log",
            () => Lost("db: stopped, and counters of acct_sender could not be written (mails: 3, rows: 3): scripted: Unavailable") == 1);
        Assert.Equal(1, Lost("counters of acct_other could not be written (mails: 1, rows: 1)"));
    }

    [Fact]
    public async Task Clean_stop_does_not_wait_for_a_database_that_is_away()
    {
        _store.Commits.Next(Script.Fail(CounterStoreFailure.Unavailable), Script.Fail(CounterStoreFailure.Unavailable));
        var writer = Writer(settings => settings with
        {
            AwayAfter = TimeSpan.FromHours(1),
            LastChance = TimeSpan.FromHours(1),
            FirstBackOff = TimeSpan.FromHours(1),
            LongestBackOff = TimeSpan.FromHours(1)
        });
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred == 1);
        _store.Commits.Always = _ => Script.Fail(CounterStoreFailure.Unavailable);
        Assert.False((await writer.Ask<Flushed>(new Flush(), Eventually.Timeout, TestContext.Current.CancellationToken)).Written);
    }

    [Fact]
    public async Task Clean_stop_waits_a_little_for_a_database_that_says_nothing()
    {
        _store.Commits.Next(Script.WaitFor(new TaskCompletionSource().Task));
        var writer = Writer(
            settings => settings with { AwayAfter = TimeSpan.FromMilliseconds(50), LastChance = TimeSpan.FromMilliseconds(50) });
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred == 1);
        Assert.False((await writer.Ask<Flushed>(new Flush(), Eventually.Timeout, TestContext.Current.CancellationToken)).Written);
        await writer.GracefulStop(Eventually.Timeout);
        await Eventually.Holds(
            "the loss in the log",
            () => Lost(
                "counters of acct_sender could not be written (mails: 1, rows: 1), unless the commit in progress "
                    + "still succeeds: no answer, for") == 1);
    }

    [Fact]
    public async Task Flush_tells_that_a_table_is_refused_once_all_others_are_written()
    {
        _store.Objection = commit => commit.Deltas.Any(delta => delta.Table == "broken") ? CounterStoreFailure.Refused : null;
        var writer = Writer(settings => settings with { FirstBackOff = TimeSpan.FromHours(1), LongestBackOff = TimeSpan.FromHours(1) });
        Add(writer, "x", 1, table: "broken");
        Add(writer, "a", 2);
        Assert.False((await writer.Ask<Flushed>(new Flush(), Eventually.Timeout, TestContext.Current.CancellationToken)).Written);
        Assert.Equal(1, Count("a"));
    }

    [Fact]
    public async Task Clean_stop_tries_a_database_that_was_away_once_more_at_once()
    {
        _store.Commits.Next(Script.Fail(CounterStoreFailure.Unavailable), Script.Fail(CounterStoreFailure.Unavailable));
        var writer = Writer(settings => settings with { FirstBackOff = TimeSpan.FromHours(1), LongestBackOff = TimeSpan.FromHours(1) });
        Add(writer, "a", 1);
        await Eventually.Holds("the mail to be told to go on", () => Deferred == 1);
        Assert.True((await writer.Ask<Flushed>(new Flush(), Eventually.Timeout, TestContext.Current.CancellationToken)).Written);
        Assert.Equal(1, Count("a"));
    }

    [Fact]
    public async Task Requests_that_a_former_server_counted_under_its_own_ids_are_not_counted_again()
    {
        _store.CommittedElsewhere(Guid.NewGuid(), 5, DateTimeOffset.UtcNow, Mail(7), Mail(8));
        var (writer, store) = WriterAndStore();
        Assert.True(store.HasFormerIds);
        Add(writer, "a", 107, former: 7);   // before the ids were read
        Add(writer, "a", 109, former: 9);
        await Answered(2);
        Assert.Equal(1, Count("a"));
        Assert.True(store.HasFormerIds);
        Add(writer, "b", 108, former: 8);   // after it
        Add(writer, "a", 109, former: 9);
        Add(writer, "b", 110, former: 10);
        await Answered(5);
        Assert.Equal((1, 1), (Count("a"), Count("b")));
        Assert.Equal(CounterRequestId.Version, _store.Applied.Last().IdFormat);
    }

    [Fact]
    public async Task Ids_of_a_former_server_are_asked_for_until_the_last_is_forgotten()
    {
        var clock = new ManualClock();
        _store.CommittedElsewhere(Guid.NewGuid(), 5, clock.GetUtcNow(), Mail(7));
        var (writer, store) = WriterAndStore(_ => new CounterWriterSettings("db", clock));
        Add(writer, "a", 101, former: 1);
        await Answered(1);
        clock.Advance(TimeSpan.FromMinutes(9));
        Add(writer, "a", 102, former: 2);
        await Answered(2);
        Assert.True(store.HasFormerIds);
        clock.Advance(TimeSpan.FromMinutes(2));
        Add(writer, "a", 103, former: 3);
        await Answered(3);
        Assert.False(store.HasFormerIds);
    }

    [Fact]
    public async Task Ids_of_a_former_server_are_not_asked_for_when_there_are_none()
    {
        var first = Writer();
        Add(first, "a", 1);
        await Answered(1);
        await first.GracefulStop(Eventually.Timeout);
        var (writer, store) = WriterAndStore();
        Add(writer, "a", 2, former: 102);
        await Answered(2);
        Assert.False(store.HasFormerIds);
    }

    private int Lost(string part) => _lines.Containing(part).Count();

    private int Lines(LogLevel level, string part) => Of(level).Count(line => line.Contains(part, StringComparison.Ordinal));

    private List<string> Of(LogLevel level) => [.. _lines.Lines.Where(line => line.Level == level).Select(line => line.Message)];

    private static UInt128 Mail(UInt128 number) => number << 32;

    private long Count(string key, string table = Table) => _store[table, key, Month.Time].Count;

    [Fact]
    public async Task Request_that_only_the_spool_of_an_earlier_life_knows_is_not_counted_again()
    {
        using var temporary = new TemporaryFolder();
        var folder = new SpoolFolder(temporary["spool"], 1024 * 1024);
        using (var file = new SpoolFile(folder, new SpoolHeader(Guid.NewGuid(), "db", "a database")))
        {
            file.Append([new SpoolEntry(
                1, 0, DateTimeOffset.UtcNow, Table, "a", Month.Time, new CounterAmounts(1, 1, 1, 1), false, Mail(7), 2)]);
        }

        var spool = new ConnectionSpool(
            new SpoolPlace(folder, IsOfThisService: true), "db", "a database", TimeProvider.System, _lines.CreateLogger("spool"));
        var store = new PreparedStore("db", _store, _lines.CreateLogger("store"));
        var settings = new CounterWriterSettings("db", TimeProvider.System);
        var writer = _system.ActorOf(CounterWriterActor.Props(store, settings, _lines.CreateLogger("writer"), spool));
        Add(writer, "a", 7);
        Add(writer, "a", 8);
        await Eventually.Holds("both to be answered", () => Answers.Count == 2);
        Assert.Equal(1, _store[Table, "a", Month.Time].Count);
        Assert.Equal([Mail(8)], _store.Applied.SelectMany(static commit => commit.RequestIds));
    }

    [Fact]
    public void Writes_gather_until_the_spools_of_earlier_lives_are_read()
    {
        var effects = new RecordedWriterEffects();
        var writer = new CounterWriter(Guid.NewGuid(), new CounterWriterSettings("db", TimeProvider.System) { Spools = true }, effects);
        var key = new CounterKey("db", Table, "a");
        for (ulong number = 1; number <= 3; number++)
        {
            writer.OnWrite(new AddOperation(key, Month, new CounterAmounts(1, 1, 1, 1), MailId.Of("m"), new UInt128(number, 0))
            {
                Owner = _owner,
            });
        }

        Assert.Equal(WriterStep.ReadingSpools, writer.Step);
        Assert.Equal((0, 0), (effects.IdReads, effects.Commits.Count));
        writer.OnFormerRead([new UInt128(2, 0)]);
        Assert.Equal(1, effects.IdReads);
        writer.OnIdsRead([]);
        Assert.Equal([new UInt128(1, 0), new UInt128(3, 0)], Assert.Single(effects.Commits).RequestIds);
        Assert.Equal(2, Assert.Single(effects.Commits[0].Deltas).Amounts.Count);
    }

    private IActorRef Writer(Func<CounterWriterSettings, CounterWriterSettings>? change = null) => WriterAndStore(change).Writer;

    private (IActorRef Writer, PreparedStore Store) WriterAndStore(Func<CounterWriterSettings, CounterWriterSettings>? change = null)
    {
        var settings = new CounterWriterSettings("db", TimeProvider.System)
        {
            FirstBackOff = TimeSpan.FromMilliseconds(2),
            LongestBackOff = TimeSpan.FromMilliseconds(20),
        };
        var store = new PreparedStore("db", _store, _lines.CreateLogger("store"));
        var writer = CounterWriterActor.Props(store, change?.Invoke(settings) ?? settings, _lines.CreateLogger("writer"));
        return (_system.ActorOf(writer), store);
    }

    private void Add(IActorRef writer, string key, UInt128 id, string table = Table, UInt128? former = null)
    {
        var add = new AddOperation(new CounterKey("db", table, key), Month, new CounterAmounts(1, 1, 10, 10), MailId.Of($"m{id}"), Mail(id))
        {
            Owner = _owner,
            FormerId = former is { } number ? Mail(number) : null,
        };
        _adds.Add(add);
        writer.Tell(add);
    }

    private static async Task<bool> Finds(IActorRef writer, UInt128 id)
    {
        var find = new FindCountedOperation(new CounterKey("db", Table, "a"), [id]);
        writer.Tell(find);
        await Eventually.Holds("the question to be answered", () => find.IsAnswered);
        return find.Answer.Yes;
    }

    private Task Settled(IActorRef writer, string table = Table) => Settled(AskWhenSettled(writer, table));

    private Task Settled(uint number) => Eventually.Holds("all to be committed", () => _owner.Settled.Contains((number, true)));

    private uint AskWhenSettled(IActorRef writer, string table)
    {
        writer.Tell(new SettledQuestion(_owner, table, ++_settledAsked, IsPatient: true));
        return _settledAsked;
    }

    /// <summary>All that was told before has been looked at: an Identify goes through the same mailbox.</summary>
    private static Task<ActorIdentity> Asked(IActorRef writer) =>
        writer.Ask<ActorIdentity>(new Identify(null), Eventually.Timeout, TestContext.Current.CancellationToken);

    private Task Answered(int adds) => Eventually.Holds($"{adds} adds to be committed and answered", () => Answers.Count == adds);
}
