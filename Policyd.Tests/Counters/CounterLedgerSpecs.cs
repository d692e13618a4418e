using CsCheck;
using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>What the owner of a key decides, apart from any actor.</summary>
public sealed class CounterLedgerSpecs
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly CounterWindow Month = CounterWindow.Calendar("%Y-%m", Noon);
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private CounterLedger _ledger = Loaded(0);

    [Fact]
    public void Exactly_threshold_mails_are_let_in_however_many_ask_at_once()
    {
        var admitted = Enumerable.Range(0, 100).Count(mail => Reserve($"m{mail}", threshold: 7).Yes);
        Assert.Equal(7, admitted);
    }

    [Fact]
    public void Set_of_a_rolling_window_empties_the_chosen_sums_of_older_buckets_and_leaves_the_others()
    {
        var window = CounterWindow.Sliding(TimeSpan.FromHours(1), Noon);
        var older = CounterWindow.Sliding(TimeSpan.FromHours(1), Noon.AddMinutes(-20)).Time;
        var oldest = CounterWindow.Sliding(TimeSpan.FromHours(1), Noon.AddMinutes(-40)).Time;
        var ledger = default(CounterLedger);
        ledger.Load(window, [
            new CounterRow("a", oldest, new CounterAmounts(0, 0, 5, 5)), new CounterRow("a", older, new CounterAmounts(3, 4, 5, 6)),
            new CounterRow("a", window.Time, One)
        ]);

        var rows = ledger.RowsFor(window, new CounterAmounts(7, 0, 0, 0), CounterSums.Count);
        Assert.Equal([(window.Time, new CounterAmounts(7, 1, 10, 10)), (older, new CounterAmounts(0, 4, 5, 6))], rows);
    }

    [Fact]
    public void Rows_that_are_read_anew_take_the_place_of_those_that_were_known()
    {
        var ledger = Loaded(5);
        ledger.Load(Month, []);
        Assert.Equal(default, ledger.Read(Month));
        Assert.Equal(
            [(Month.Time, new CounterAmounts(0, 0, 9, 0))], ledger.RowsFor(Month, new CounterAmounts(1, 2, 9, 4), CounterSums.Size));
    }

    [Fact]
    public void Reservations_are_told_until_they_run_out()
    {
        Reserve("m", 5);
        Reserve("n", 5);
        Assert.Equal((One + One, 2), _ledger.Reserved(Month, Noon));
        Assert.Equal((default, 0), _ledger.Reserved(Month, Noon.AddHours(1)));
    }

    [Fact]
    public void Mail_that_asks_again_keeps_the_place_it_has()
    {
        Assert.True(Reserve("m", 1).Yes);
        Assert.True(Reserve("m", 1).Yes);
        Assert.False(Reserve("other", 1).Yes);
    }

    [Fact]
    public void Place_is_free_again_when_the_mail_comes_to_nothing()
    {
        Assert.True(Reserve("m", 1).Yes);
        _ledger.Release(MailId.Of("m"));
        Assert.True(Reserve("other", 1).Yes);
    }

    [Fact]
    public void Window_is_known_by_its_name_and_by_no_other()
    {
        CounterWindow[] windows =
        [
            Month, new CounterWindow("2026"), CounterWindow.Sliding(TimeSpan.FromHours(1), Noon),
            CounterWindow.Sliding(TimeSpan.FromSeconds(360), Noon), new CounterWindow("w36")
        ];
        foreach (var window in windows)
        {
            Assert.Equal(windows.Where(one => one.Name == window.Name), windows.Where(one => one.IsNamed(window.Name)));
        }
    }

    [Fact]
    public void Place_in_another_window_stays()
    {
        Assert.True(Reserve("m", 1).Yes);
        _ledger.Release(MailId.Of("m"), "2026");
        Assert.False(Reserve("other", 1).Yes);
        _ledger.Release(MailId.Of("m"), Month.Name);
        Assert.True(Reserve("other", 1).Yes);
    }

    [Fact]
    public void Reservation_ends_by_itself()
    {
        Assert.True(Reserve("m", 1).Yes);
        Assert.False(Reserve("other", 1, Noon.AddMinutes(9)).Yes);
        Assert.True(Reserve("other", 1, Noon.AddMinutes(11)).Yes);
    }

    [Fact]
    public void Sum_never_dips_between_reservation_add_and_commit()
    {
        Assert.True(Reserve("m", 1).Yes);
        var trace = _ledger.Add(Month, One, MailId.Of("m"), Noon);
        Assert.False(Reserve("other", 1).Yes);
        _ledger.Report(new RowReport(Month, RowReportKind.Committed, One, trace.Cumulated));
        Assert.False(Reserve("other", 1).Yes);
        Assert.Equal(One, _ledger.Read(Month));
        Assert.False(_ledger.HasReservations(Noon));
    }

    [Fact]
    public void Total_of_the_database_takes_the_place_of_the_sum_and_what_was_added_since_counts_beside_it()
    {
        var ledger = Loaded(0);
        var first = ledger.Add(Month, One, MailId.Of("a"), Noon);
        ledger.Add(Month, One, MailId.Of("b"), Noon);
        ledger.Report(new RowReport(Month, RowReportKind.Committed, new CounterAmounts(7, 7, 70, 70), first.Cumulated));
        Assert.Equal(new CounterAmounts(8, 8, 80, 80), ledger.Read(Month));
    }

    [Fact]
    public void What_was_counted_before_is_taken_off_and_the_next_total_is_right_all_the_same()
    {
        var ledger = Loaded(0);
        var resent = ledger.Add(Month, One, MailId.Of("a"), Noon);
        ledger.Report(new RowReport(Month, RowReportKind.Retracted, One));
        Assert.Equal(default, ledger.Read(Month));
        var next = ledger.Add(Month, One, MailId.Of("b"), Noon);
        Assert.Equal((One, One + One), (next.RowAfter, next.Cumulated));
        ledger.Report(new RowReport(Month, RowReportKind.Committed, One, next.Cumulated, Retracted: One));
        Assert.Equal(One, ledger.Read(Month));
        Assert.Equal(One, resent.Cumulated);
    }

    [Fact]
    public void Report_of_a_window_that_is_forgotten_says_nothing()
    {
        var ledger = default(CounterLedger);
        ledger.Report(new RowReport(Month, RowReportKind.Committed, One, default));
        Assert.False(ledger.IsLoaded(Month));
    }

    [Fact]
    public void Window_with_adds_on_their_way_is_not_forgotten()
    {
        var ledger = Loaded(0);
        ledger.Add(Month, One, MailId.Of("a"), Noon);
        ledger.ForgetUntouched(Noon, isSettled: false);
        ledger.ForgetUntouched(Noon, isSettled: false);
        Assert.True(ledger.IsLoaded(Month));
        ledger.ForgetUntouched(Noon, isSettled: true);
        Assert.False(ledger.IsLoaded(Month));
    }

    [Fact]
    public void Sequential_mails_see_the_sum_before_them_as_mtpolicyd_does()
    {
        var ledger = Loaded(95);

        // A size quota: the mail that goes beyond it is still let in, the next is not.
        Assert.True(ledger.Reserve(Month, CounterMetric.Size, 100, new CounterAmounts(1, 1, 50, 50), MailId.Of("a"), At(Noon)).Yes);
        ledger.Add(Month, new CounterAmounts(1, 1, 50, 50), MailId.Of("a"), Noon);
        Assert.False(ledger.Reserve(Month, CounterMetric.Size, 100, new CounterAmounts(1, 1, 1, 1), MailId.Of("b"), At(Noon)).Yes);
    }

    [Fact]
    public void Rolling_window_forgets_what_is_older_than_it()
    {
        var ledger = default(CounterLedger);
        var hour = TimeSpan.FromHours(1);
        var now = CounterWindow.Sliding(hour, Noon);
        ledger.Load(now, [new CounterRow("k", CounterWindow.Sliding(hour, Noon.AddMinutes(-30)).Time, new CounterAmounts(5, 5, 5, 5))]);
        ledger.Add(now, One, MailId.Of("m"), Noon);
        Assert.Equal(6, ledger.Read(now).Count);
        Assert.Equal(1, ledger.Read(CounterWindow.Sliding(hour, Noon.AddMinutes(40))).Count);
        Assert.Equal(0, ledger.Read(CounterWindow.Sliding(hour, Noon.AddMinutes(70))).Count);
    }

    [Fact]
    public void What_was_counted_later_than_now_does_not_count_in_a_rolling_window_and_counts_when_its_time_comes()
    {
        var hour = TimeSpan.FromHours(1);
        var (now, later) = (CounterWindow.Sliding(hour, Noon), CounterWindow.Sliding(hour, Noon.AddDays(365)));
        var ledger = default(CounterLedger);
        ledger.Load(later, []);
        Count(ref ledger, later, 2);
        Assert.Equal(2, ledger.Read(later).Count);

        // The clock is put back: what was not read then must be read.
        Assert.False(ledger.IsLoaded(now));
        ledger.Load(now, [new CounterRow("k", later.Time, new CounterAmounts(2, 2, 20, 20))]);
        Assert.Equal(0, ledger.Read(now).Count);
        Assert.True(ledger.Reserve(now, CounterMetric.Count, 1, One, MailId.Of("m"), At(Noon)).Yes);
        Count(ref ledger, now, 1, "m");
        Assert.Equal(1, ledger.Read(now).Count);

        Assert.True(ledger.IsLoaded(later));
        Assert.Equal(2, ledger.Read(later).Count);
    }

    [Fact]
    public void Old_buckets_that_were_forgotten_are_read_again_when_the_clock_is_put_back_to_their_time()
    {
        var hour = TimeSpan.FromHours(1);
        var ledger = default(CounterLedger);
        var now = CounterWindow.Sliding(hour, Noon);
        ledger.Load(now, []);
        Count(ref ledger, now, 2);
        Assert.Equal(0, ledger.Read(CounterWindow.Sliding(hour, Noon.AddDays(1))).Count);
        Assert.False(ledger.IsLoaded(now));
        ledger.Load(now, [new CounterRow("k", now.Time, new CounterAmounts(2, 2, 20, 20))]);
        Assert.Equal(2, ledger.Read(now).Count);
    }

    [Fact]
    public void Request_that_was_overtaken_sees_what_was_counted_meanwhile_and_needs_no_load()
    {
        var hour = TimeSpan.FromHours(1);
        var ledger = default(CounterLedger);
        var (mine, next) = (CounterWindow.Sliding(hour, Noon), CounterWindow.Sliding(hour, Noon.AddMinutes(1)));
        ledger.Load(mine, []);
        Count(ref ledger, next, 1);
        Assert.True(ledger.IsLoaded(mine));
        Assert.Equal(1, ledger.Read(mine, Noon.AddMinutes(1)).Count);
        Assert.Equal(0, ledger.Read(mine, Noon).Count);
    }

    [Fact]
    public void Set_of_a_rolling_window_empties_what_is_yet_to_come_too()
    {
        var hour = TimeSpan.FromHours(1);
        var (now, later) = (CounterWindow.Sliding(hour, Noon), CounterWindow.Sliding(hour, Noon.AddDays(1)));
        var ledger = default(CounterLedger);
        ledger.Load(now, [new CounterRow("k", later.Time, One)]);
        Assert.Equal(
            [(now.Time, default), (later.Time, new CounterAmounts(0, 1, 10, 10))], ledger.RowsFor(now, default, CounterSums.Count));
    }

    [Fact]
    public void Reservations_of_one_window_that_reach_the_largest_number_leave_nothing_behind_for_another()
    {
        var largest = new CounterAmounts(1, 1, long.MaxValue, long.MaxValue);
        MailId[] mails = [MailId.Of("one"), MailId.Of("other")];
        foreach (var mail in mails)
        {
            _ledger.Reserve(Month, CounterMetric.Count, 10, largest, mail, At(Noon));
        }

        foreach (var mail in mails)
        {
            _ledger.Release(mail);
        }

        var next = Loaded(0);
        Assert.True(next.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("first"), At(Noon)).Yes);
        Assert.Equal((One, 1), next.Reserved(Month, Noon));
        Assert.Equal((default, 0), _ledger.Reserved(Month, Noon));
        Assert.True(next.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("second"), At(Noon)).Yes);
        Assert.False(next.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("third"), At(Noon)).Yes);
    }

    [Fact]
    public void Mail_whose_size_is_the_largest_number_holds_its_place_while_another_one_leaves()
    {
        var largest = new CounterAmounts(1, 1, long.MaxValue, long.MaxValue);
        foreach (var mail in new[] { "one", "other", "third" })
        {
            _ledger.Reserve(Month, CounterMetric.Count, 10, largest, MailId.Of(mail), At(Noon));
        }

        _ledger.Release(MailId.Of("one"));
        Assert.False(_ledger.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("fourth"), At(Noon)).Yes);
        _ledger.Release(MailId.Of("third"));
        Assert.Equal((largest, 1), _ledger.Reserved(Month, Noon));
        Assert.False(_ledger.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("fourth"), At(Noon)).Yes);
        _ledger.Release(MailId.Of("other"));
        Assert.True(_ledger.Reserve(Month, CounterMetric.Size, 20, One, MailId.Of("fourth"), At(Noon)).Yes);
    }

    private static void Count(ref CounterLedger ledger, CounterWindow window, int mails, string instance = "")
    {
        var amounts = new CounterAmounts(mails, mails, 10 * mails, 10 * mails);
        var trace = ledger.Add(window, amounts, MailId.Of(instance), Noon);
        ledger.Report(new RowReport(window, RowReportKind.Committed, amounts, trace.Cumulated));
    }

    [Fact]
    public void Random_mails_never_exceed_the_threshold_and_never_lose_room()
    {
        // Each step: a mail asks, is counted, goes away, or a commit reports. The model is two sets and a number.
        var step = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 9]);
        step.List[1, 200].Sample(
            steps =>
            {
                const int Threshold = 6;
                var ledger = Loaded(0);
                var held = new HashSet<int>();
                var inFlight = 0;
                var onTheirWay = new Queue<CounterAmounts>();
                var counted = 0;
                foreach (var (kind, mail) in steps)
                {
                    switch (kind)
                    {
                        case 0:
                            var room = counted + inFlight + held.Count(other => other != mail) < Threshold;
                            Assert.Equal(
                                room, ledger.Reserve(Month, CounterMetric.Count, Threshold, One, MailId.Of($"{mail}"), At(Noon)).Yes);
                            if (room)
                            {
                                held.Add(mail);
                            }

                            break;
                        case 1 when held.Remove(mail):
                            onTheirWay.Enqueue(ledger.Add(Month, One, MailId.Of($"{mail}"), Noon).Cumulated);
                            inFlight++;
                            break;
                        case 2:
                            ledger.Release(MailId.Of($"{mail}"));
                            held.Remove(mail);
                            break;
                        case 3 when inFlight > 0:
                            counted++;
                            inFlight--;
                            ledger.Report(new RowReport(
                                Month,
                                RowReportKind.Committed,
                                new CounterAmounts(counted, counted, 10 * counted, 10 * counted),
                                onTheirWay.Dequeue()));
                            break;
                    }

                    Assert.Equal(counted + inFlight, ledger.Read(Month).Count);
                    Assert.True(counted + inFlight + held.Count <= Threshold + held.Count(other => other == mail));
                }
            },
            iter: 2_000);
    }

    private static CounterLedger Loaded(long size)
    {
        var ledger = default(CounterLedger);
        ledger.Load(Month, size == 0 ? [] : [new CounterRow("k", Month.Time, new CounterAmounts(1, 1, size, size))]);
        return ledger;
    }

    private CounterAnswer Reserve(string mail, double threshold, DateTimeOffset? at = null) =>
        _ledger.Reserve(Month, CounterMetric.Count, threshold, One, MailId.Of(mail), At(at ?? Noon));

    private static OwnerTime At(DateTimeOffset time) => new(time, time, TimeSpan.FromMinutes(10));
}
