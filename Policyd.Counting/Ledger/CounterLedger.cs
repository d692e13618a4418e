using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Ledger;

/// <summary>
/// What the owner of one key knows: for each open window the committed total, the adds on their way to SQL, and the
/// reservations of mails that were let in but are not counted yet. Pure: the actor around it only sends and replies.
/// </summary>
internal sealed class CounterLedger(TimeSpan reservationTimeout)
{
    private OpenWindow? _windows;

    /// <summary>True when nothing would be lost by forgetting this key: no add in flight, no reservation that still holds.</summary>
    public bool IsQuiet(DateTimeOffset now)
    {
        for (var window = _windows; window is not null; window = window.Next)
        {
            window.DropExpired(now);
            if (!window.IsQuiet)
            {
                return false;
            }
        }

        return true;
    }

    public bool HasAddsInFlight
    {
        get
        {
            for (var window = _windows; window is not null; window = window.Next)
            {
                if (window.AddsInFlight > 0)
                {
                    return true;
                }
            }

            return false;
        }
    }

    public int AddsInFlight(CounterWindow window) => Find(window)?.AddsInFlight ?? 0;

    public bool IsLoaded(CounterWindow window) => Find(window)?.Knows(window) == true;

    /// <summary>
    /// The rows that SQL has for a window. Adds that were on their way meanwhile are not lost: they are kept beside
    /// the total until their own commit reports.
    /// </summary>
    public void Load(CounterWindow window, IReadOnlyList<CounterRow> rows)
    {
        var open = Open(window);
        open.ForgetRows(window.RowsToRead);
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
    public Admission Reserve(
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        string instance,
        DateTimeOffset now,
        DateTimeOffset wallClock = default)
    {
        var open = Open(window);
        open.DropExpired(now);
        var total = open.Sum(window, wallClock);
        var held = open.Reserved;
        var own = open.ReservationOf(instance);
        if (own is { } mine)
        {
            held -= mine;
        }

        var admitted = (total + held)[metric] < threshold;
        if (admitted && instance.Length > 0)
        {
            var enlarged = own is { } earlier ? CounterAmounts.Max(earlier, amounts) : amounts;
            open.Hold(instance, enlarged, now + reservationTimeout);
        }

        return new Admission(CounterState.Known, admitted, total);
    }

    /// <summary>The mail is being counted: its reservation becomes an add in flight, in one step, so that the sum never dips.</summary>
    public void BeginAdd(CounterWindow window, CounterAmounts amounts, string instance)
    {
        var open = Open(window);
        open.Drop(instance);
        open.InFlight += amounts;
        open.AddsInFlight++;
    }

    /// <summary>
    /// A commit has reported: <paramref name="asked"/> is what its adds had put in flight, <paramref name="row"/> the new total in SQL.
    /// </summary>
    public void Committed(CounterWindow window, CounterAmounts asked, int adds, CounterRow row)
    {
        var open = Open(window);
        open.InFlight -= asked;
        open.AddsInFlight -= adds;
        open.SetRow(window, row);
        if (window.Rolling is null)
        {
            // A calendar window is one row, and this is it. A rolling one has sixty, of which this is only the newest.
            open.Loaded = true;
        }
    }

    /// <summary>Adds in flight turned out to be resends of mails that are counted, or in flight, already.</summary>
    public void TakeBack(CounterWindow window, CounterAmounts resent) => Open(window).InFlight -= resent;

    public void Release(string instance)
    {
        for (var window = _windows; window is not null; window = window.Next)
        {
            window.Drop(instance);
        }
    }

    /// <summary>
    /// Forgets the windows that nobody has asked for since the last call, so that a key that lives for months does not collect them.
    /// </summary>
    public void ForgetUntouched(DateTimeOffset now)
    {
        OpenWindow? before = null;
        for (var open = _windows; open is not null; open = open.Next)
        {
            open.DropExpired(now);
            if (open.TakeTouched() || !open.IsQuiet)
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

    private OpenWindow? Find(CounterWindow window)
    {
        var open = _windows;
        while (open is not null && open.Name != window.Name)
        {
            open = open.Next;
        }

        return open;
    }

    private OpenWindow Open(CounterWindow window) => Find(window) ?? (_windows = new OpenWindow(window.Name, _windows));
}
