using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>
/// What the owner of one key knows: for each open window the sums, with the adds on their way to the database in them, and the reservations
/// of mails that were let in but are not counted yet. It is a part of its owner and is changed in place: never copy it.
/// </summary>
internal struct CounterLedger
{
    /// <summary>How long a server keeps the place of a mail that was let in and is not counted.</summary>
    public static readonly TimeSpan UsualTimeout = TimeSpan.FromMinutes(10);

    private OpenWindow? _windows;
    private uint _reports;

    /// <summary>Whether a reservation still holds.</summary>
    public bool HasReservations(DateTimeOffset now)
    {
        for (var window = _windows; window is not null; window = window.Next)
        {
            window.DropExpired(now);
            if (window.Reservations > 0)
            {
                return true;
            }
        }

        return false;
    }

    public bool IsLoaded(CounterWindow window) => Find(window)?.Knows(window) == true;

    /// <summary>
    /// The rows that the database has for a window. Nothing of the window is on its way meanwhile: see <see cref="CounterOwner"/>.
    /// </summary>
    public void Load(CounterWindow window, IReadOnlyList<CounterRow> rows)
    {
        var open = Open(window);
        open.ForgetRows(window);
        foreach (var row in rows)
        {
            open.SetRow(window, row);
        }

        open.Loaded = true;
    }

    /// <param name="window">The window.</param>
    /// <param name="now">The time up to which mails count in a rolling one, if that is later than its own.</param>
    public CounterAmounts Read(CounterWindow window, DateTimeOffset now = default) => Find(window)?.Sum(window, now) ?? default;

    /// <summary>What mails that were let in and are not counted yet hold of a window, and how many they are.</summary>
    public (CounterAmounts Amounts, int Mails) Reserved(CounterWindow window, DateTimeOffset now)
    {
        if (Find(window) is not { } open)
        {
            return default;
        }

        open.DropExpired(now);
        return (open.Reserved, open.Reservations);
    }

    /// <summary>
    /// The rows to write so that the chosen sums of a window become these: right when its rows have just been read and no add is in flight.
    /// </summary>
    public IReadOnlyList<(string Time, CounterAmounts Amounts)> RowsFor(CounterWindow window, CounterAmounts amounts, CounterSums which) =>
        Open(window).RowsFor(window, amounts, which);

    /// <summary>
    /// Admits the mail and holds its amounts, or refuses. The sum that is compared is what the mail would see if all
    /// mails let in before it were counted already; its own earlier reservation does not count against it, so that a
    /// mail with many recipients, or one that Postfix asks about again, keeps the place it has.
    /// </summary>
    public CounterAnswer Reserve(
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        MailId mail,
        OwnerTime time)
    {
        var open = Open(window);
        open.DropExpired(time.Steady);
        var total = open.Sum(window, time.CountsUntil);
        var own = open.ReservationOf(mail);
        var admitted = (total + HeldByOthers(open, own))[metric] < threshold;
        if (admitted && !mail.IsNone)
        {
            var enlarged = own is { } earlier ? CounterAmounts.Max(earlier, amounts) : amounts;
            open.Hold(mail, enlarged, time.Steady + time.ReservationTimeout);
        }

        return new CounterAnswer(CounterState.Known, CounterReason.None, admitted, admitted && own is null && !mail.IsNone, total);
    }

    /// <summary>Whether a check would let the mail in.</summary>
    public bool HasRoom(ReserveOperation check, OwnerTime time)
    {
        var open = Open(check.Window);
        open.DropExpired(time.Steady);
        var others = HeldByOthers(open, open.ReservationOf(check.Mail));
        return (open.Sum(check.Window, time.CountsUntil) + others)[check.Metric] < check.Threshold;
    }

    /// <summary>
    /// The mail is being counted: in one step its reservation ends and its amounts are in the sum, so that the sum never dips.
    /// </summary>
    public AddTrace Add(CounterWindow window, CounterAmounts amounts, MailId mail, DateTimeOffset countsUntil)
    {
        var open = Open(window);
        open.Drop(mail);
        return open.Add(window, amounts, countsUntil) with { Reports = _reports };
    }

    /// <summary>A row is about to be set: its sum changes when the commit reports.</summary>
    public AddTrace BeginSet(CounterWindow window) =>
        Open(window).Add(window, default, default) with { IsKnown = false, Reports = _reports };

    /// <summary>A commit has brought a row's total, or adds of it are no part of a commit.</summary>
    public void Report(RowReport report)
    {
        _reports = report.Number;
        if (Find(report.Window) is not { } open)
        {
            return;
        }

        if (report.Kind == RowReportKind.Retracted)
        {
            open.Retract(report.Window, report.Total);
            return;
        }

        if (report.Kind == RowReportKind.RetractedForGood)
        {
            open.ForgetRetracted(report.Window, report.Total);
            return;
        }

        open.ForgetRetracted(report.Window, report.Retracted);
        open.Report(report.Window, report.Total, report.Cumulated);
        if (report.Window.Rolling is null)
        {
            // A calendar window is one row, and this is it. A rolling one has sixty, of which this is only the newest.
            open.Loaded = true;
        }
    }

    /// <summary>Whether the sums of any window are known.</summary>
    public bool KnowsSums
    {
        get
        {
            var window = _windows;
            while (window is { Loaded: false })
            {
                window = window.Next;
            }

            return window is not null;
        }
    }

    /// <summary>The mail gives back what it has reserved, in the window of a name or in all.</summary>
    public void Release(MailId mail, string? name = null)
    {
        for (var window = _windows; window is not null; window = window.Next)
        {
            if (name is null || name == window.Name)
            {
                window.Drop(mail);
            }
        }
    }

    /// <summary>
    /// Forgets the windows that nobody has asked for since the last call, so that a key that lives for months does not collect them.
    /// </summary>
    /// <param name="now">The present time.</param>
    /// <param name="isSettled">Whether nothing is on its way: a row that is forgotten before its commit reports would be told too little.
    /// </param>
    public void ForgetUntouched(DateTimeOffset now, bool isSettled)
    {
        OpenWindow? before = null;
        for (var open = _windows; open is not null; open = open.Next)
        {
            open.DropExpired(now);
            if (open.TakeTouched() || open.Reservations > 0 || !isSettled)
            {
                before = open;
            }
            else if (before is null)
            {
                _windows = open.Next;
            }
            else
            {
                before.Next = open.Next;
            }
        }
    }

    private static CounterAmounts HeldByOthers(OpenWindow open, CounterAmounts? own) => open.Reserved - (own ?? default);

    private OpenWindow? Find(CounterWindow window)
    {
        var open = _windows;
        while (open is not null && !window.IsNamed(open.Name))
        {
            open = open.Next;
        }

        return open;
    }

    private OpenWindow Open(CounterWindow window) => Find(window) ?? (_windows = new OpenWindow(window.Name, _windows));
}

/// <summary>The time of an event at an owner.</summary>
/// <param name="Steady">For what lasts, like a reservation: goes only forward.</param>
/// <param name="CountsUntil">Up to when mails count in a rolling window, by the wall clock.</param>
/// <param name="ReservationTimeout">How long a mail that is let in now may take until it is counted.</param>
internal readonly record struct OwnerTime(DateTimeOffset Steady, DateTimeOffset CountsUntil, TimeSpan ReservationTimeout);
