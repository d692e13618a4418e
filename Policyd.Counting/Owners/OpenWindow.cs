using System.Runtime.InteropServices;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>
/// One window of one key in the owner's memory. A million of these may live at once, so the common case, a calendar window
/// in which at most one mail has a reservation, holds no collection at all.
/// </summary>
/// <param name="name">The window's name.</param>
/// <param name="next">The next open window of the key, of which there are hardly ever more than two.</param>
internal sealed class OpenWindow(string name, OpenWindow? next)
{
    // Buckets before this were not read, or are forgotten.
    private string _from = string.Empty;
    private Row _row;
    private List<Row>? _buckets;
    private List<(string Time, CounterAmounts Amounts)>? _retracted;
    private MailId _firstMail;
    private Reservation _first;
    private Dictionary<MailId, Reservation>? _others;
    private DateTimeOffset _earliestExpiry = DateTimeOffset.MaxValue;
    private bool _touched;

    public string Name { get; } = name;

    public OpenWindow? Next { get; set; } = next;

    public bool Loaded { get; set; }

    /// <summary>
    /// Whether all is known of what this window counts. After the clock was put back, older buckets than those at hand may be its.
    /// </summary>
    public bool Knows(CounterWindow window) => Loaded && (window.Rolling is null || string.CompareOrdinal(window.Range.From, _from) >= 0);

    public CounterAmounts Reserved { get; private set; }

    public int Reservations => (_firstMail.IsNone ? 0 : 1) + (_others?.Count ?? 0);

    /// <summary>
    /// What counts at a time, with adds that are on their way to the database. What was counted later than it, before the clock was put
    /// back, is no part of a rolling window.
    /// </summary>
    public CounterAmounts Sum(CounterWindow window, DateTimeOffset now)
    {
        _touched = true;
        return window.Rolling is null ? _row.Sum : SumOfBuckets(window, now);
    }

    private CounterAmounts SumOfBuckets(CounterWindow window, DateTimeOffset now)
    {
        if (_buckets is null)
        {
            return default;
        }

        var sum = default(CounterAmounts);
        var (first, last) = (window.Range.From, window.LastAt(now));
        var oldest = default(string);
        foreach (var bucket in _buckets)
        {
            if (string.CompareOrdinal(bucket.Time, first) < 0)
            {
                oldest = oldest is null || string.CompareOrdinal(bucket.Time, oldest) < 0 ? bucket.Time : oldest;
            }
            else if (string.CompareOrdinal(bucket.Time, last) <= 0)
            {
                sum += bucket.Sum;
            }
        }

        if (oldest is not null)
        {
            ForgetBucketsBefore(window.RowsToRead.From, oldest);
        }

        return sum;
    }

    private void ForgetBucketsBefore(string first, string oldest)
    {
        if (string.CompareOrdinal(oldest, first) < 0)
        {
            _buckets!.RemoveAll(bucket => string.CompareOrdinal(bucket.Time, first) < 0);
            _from = string.CompareOrdinal(first, _from) > 0 ? first : _from;
        }
    }

    /// <summary>A mail is counted: from now on its amounts are in the row, though the database has them only later.</summary>
    public AddTrace Add(CounterWindow window, CounterAmounts amounts, DateTimeOffset now)
    {
        _touched = true;
        ref var row = ref RowOf(window);
        row.Sum += amounts;
        row.Cumulated += amounts;
        var (sum, cumulated) = (row.Sum, row.Cumulated);
        return new AddTrace(cumulated, sum, window.Rolling is null ? sum : Sum(window, now), Loaded, Reports: 0);
    }

    /// <summary>
    /// What the database has, of a time when so much had been added here: what was added since is still on its way, and counts, but for
    /// what of it was retracted.
    /// </summary>
    public void Report(CounterWindow window, CounterAmounts total, CounterAmounts cumulated)
    {
        _touched = true;
        ref var row = ref RowOf(window);
        row.Sum = total + (row.Cumulated - cumulated) - RetractedOf(window);
    }

    /// <summary>
    /// Adds are no part of the sum: they had been counted before, or are not counted at all. What is cumulated keeps them, for the traces
    /// of later adds may have them too. So they are remembered until a commit reports behind which none of them comes.
    /// </summary>
    public void Retract(CounterWindow window, CounterAmounts amounts)
    {
        RowOf(window).Sum -= amounts;
        (_retracted ??= []).Add((RowTimeOf(window), amounts));
    }

    /// <summary>So much of what was retracted is now behind all reports to come.</summary>
    public void ForgetRetracted(CounterWindow window, CounterAmounts amounts)
    {
        if (amounts == default || _retracted is null)
        {
            return;
        }

        var left = RetractedOf(window) - amounts;
        _retracted.RemoveAll(one => one.Time == RowTimeOf(window));
        if (left != default)
        {
            _retracted.Add((RowTimeOf(window), left));
        }

        _retracted = _retracted.Count == 0 ? null : _retracted;
    }

    private CounterAmounts RetractedOf(CounterWindow window)
    {
        var sum = default(CounterAmounts);
        foreach (var one in _retracted ?? [])
        {
            sum += one.Time == RowTimeOf(window) ? one.Amounts : default;
        }

        return sum;
    }

    private static string RowTimeOf(CounterWindow window) => window.Rolling is null ? string.Empty : window.Time;

    /// <summary>A row as the database has it, when nothing of the window is on its way.</summary>
    public void SetRow(CounterWindow window, CounterRow row) =>
        RowOf(window.Rolling is null ? window : window with { Time = row.Time }).Sum = row.Total;

    private ref Row RowOf(CounterWindow window)
    {
        if (window.Rolling is null)
        {
            return ref _row;
        }

        _buckets ??= [];
        var rows = CollectionsMarshal.AsSpan(_buckets);
        for (var index = rows.Length - 1; index >= 0; index--)
        {
            if (rows[index].Time == window.Time)
            {
                return ref rows[index];
            }
        }

        _buckets.Add(new Row { Time = window.Time });
        return ref CollectionsMarshal.AsSpan(_buckets)[^1];
    }

    /// <summary>Rows that are about to be loaded are forgotten before: one that is no longer in SQL must not stay here.</summary>
    public void ForgetRows(CounterTimeRange range)
    {
        _row.Sum = default;
        _buckets?.Clear();
        _from = range.From;
    }

    /// <summary>
    /// The rows to write so that the chosen sums of the window become these. The others stay, each in its row: a bucket that is yet to
    /// leave a rolling window keeps what it will take with it. Buckets whose time is yet to come are emptied too, or they would count when
    /// it comes.
    /// </summary>
    public IReadOnlyList<(string Time, CounterAmounts Amounts)> RowsFor(CounterWindow window, CounterAmounts amounts, CounterSums which)
    {
        if (window.Rolling is null)
        {
            return [(window.Time, _row.Sum.With(which, amounts))];
        }

        var newest = _buckets?.Find(bucket => bucket.Time == window.Time).Sum ?? default;
        var rows = new List<(string Time, CounterAmounts Amounts)> { (window.Time, newest.With(which, amounts)) };
        var first = window.Range.From;
        foreach (var bucket in _buckets ?? [])
        {
            var emptied = bucket.Sum.With(which, default);
            if (bucket.Time != window.Time && emptied != bucket.Sum && string.CompareOrdinal(bucket.Time, first) >= 0)
            {
                rows.Add((bucket.Time, emptied));
            }
        }

        return rows;
    }

    /// <summary>Whether anybody has asked since this was last looked at.</summary>
    public bool TakeTouched()
    {
        var touched = _touched;
        _touched = false;
        return touched;
    }

    public CounterAmounts? ReservationOf(MailId mail) =>
        mail.IsNone ? null
        : _firstMail == mail ? _first.Amounts
        : _others is not null && _others.TryGetValue(mail, out var held) ? held.Amounts : null;

    public void Hold(MailId mail, CounterAmounts amounts, DateTimeOffset until)
    {
        Drop(mail);
        var held = new Reservation(amounts, until);
        if (_firstMail.IsNone)
        {
            (_firstMail, _first) = (mail, held);
        }
        else
        {
            (_others ??= []).Add(mail, held);
        }

        Reserved += amounts;
        if (until < _earliestExpiry)
        {
            _earliestExpiry = until;
        }
    }

    public void Drop(MailId mail)
    {
        if (mail.IsNone)
        {
            return;
        }

        if (_firstMail == mail)
        {
            Reserved -= _first.Amounts;
            _firstMail = MailId.None;
        }
        else if (_others is not null && _others.Remove(mail, out var held))
        {
            Reserved -= held.Amounts;
            if (_others.Count == 0)
            {
                _others = null;
            }
        }
    }

    /// <summary>Ends the reservations of mails that never came to an end. Looks only when the earliest of them can have run out.</summary>
    public void DropExpired(DateTimeOffset now)
    {
        if (Reservations == 0 || now < _earliestExpiry)
        {
            return;
        }

        _earliestExpiry = DateTimeOffset.MaxValue;
        if (!_firstMail.IsNone)
        {
            DropIfExpired(_firstMail, _first, now);
        }

        if (_others is { } others)
        {
            foreach (var (mail, held) in others)
            {
                DropIfExpired(mail, held, now);
            }
        }
    }

    private void DropIfExpired(MailId mail, in Reservation held, DateTimeOffset now)
    {
        if (held.Until <= now)
        {
            Drop(mail);
        }
        else if (held.Until < _earliestExpiry)
        {
            _earliestExpiry = held.Until;
        }
    }

    /// <summary>
    /// A row by what its owner knows. <c>Cumulated</c> is all that this life of the owner has added: the writer tells by it which adds a
    /// total of the database holds.
    /// </summary>
    private struct Row
    {
        public string Time;
        public CounterAmounts Sum;
        public CounterAmounts Cumulated;
    }

    private readonly record struct Reservation(CounterAmounts Amounts, DateTimeOffset Until);
}
