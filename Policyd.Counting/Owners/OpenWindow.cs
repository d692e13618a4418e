using System.Runtime.InteropServices;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>
/// One window of one key in the owner's memory. A million of these may live at once, so what few of them have at a time is in objects of
/// its own: reservations, the buckets of a rolling window, and adds that were taken off.
/// </summary>
/// <param name="name">The window's name.</param>
/// <param name="next">The next open window of the key, of which there are hardly ever more than two.</param>
internal sealed class OpenWindow(string name, OpenWindow? next)
{
    private Sums _row;
    private RareSums? _rare;
    private WindowReservations? _reservations;
    private bool _touched;

    public string Name { get; } = name;

    public OpenWindow? Next { get; set; } = next;

    public bool Loaded { get; set; }

    private RareSums Rare => _rare ??= new RareSums();

    public CounterAmounts Reserved => _reservations?.Sum ?? default;

    public int Reservations => _reservations?.Count ?? 0;

    /// <summary>
    /// Whether all is known of what this window counts. After the clock was put back, older buckets than those at hand may be its.
    /// </summary>
    public bool Knows(CounterWindow window) =>
        Loaded && (window.Rolling is null || string.CompareOrdinal(window.Range.From, _rare?.From ?? string.Empty) >= 0);

    /// <summary>
    /// What counts at a time, with adds that are on their way to the database. What was counted later than it, before the clock was put
    /// back, is no part of a rolling window.
    /// </summary>
    public CounterAmounts Sum(CounterWindow window, DateTimeOffset now)
    {
        _touched = true;
        return window.Rolling is null ? _row.Total : SumOfBuckets(window, now);
    }

    private CounterAmounts SumOfBuckets(CounterWindow window, DateTimeOffset now)
    {
        if (_rare?.Buckets is not { } buckets)
        {
            return default;
        }

        var sum = default(CounterAmounts);
        var (first, last) = (window.Range.From, window.LastAt(now));
        var oldest = default(string);
        foreach (var bucket in buckets)
        {
            if (string.CompareOrdinal(bucket.Time, first) < 0)
            {
                oldest = oldest is null || string.CompareOrdinal(bucket.Time, oldest) < 0 ? bucket.Time : oldest;
            }
            else if (string.CompareOrdinal(bucket.Time, last) <= 0)
            {
                sum += bucket.Sums.Total;
            }
        }

        if (oldest is not null)
        {
            _rare.ForgetBucketsBefore(window.RowsToRead.From, oldest);
        }

        return sum;
    }

    /// <summary>A mail is counted: from now on its amounts are in the row, though the database has them only later.</summary>
    public AddTrace Add(CounterWindow window, CounterAmounts amounts, DateTimeOffset now)
    {
        _touched = true;
        ref var row = ref RowOf(window);
        row.Total += amounts;
        row.Cumulated += amounts;
        var (sum, cumulated) = (row.Total, row.Cumulated);
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
        row.Total = total + (row.Cumulated - cumulated) - RetractedOf(window);
    }

    /// <summary>
    /// Adds are no part of the sum: they had been counted before, or are not counted at all. What is cumulated keeps them, for the traces
    /// of later adds may have them too. So they are remembered until a commit reports behind which none of them comes.
    /// </summary>
    public void Retract(CounterWindow window, CounterAmounts amounts)
    {
        RowOf(window).Total -= amounts;
        (Rare.Retracted ??= []).Add((RowTimeOf(window), amounts));
    }

    /// <summary>So much of what was retracted is now behind all reports to come.</summary>
    public void ForgetRetracted(CounterWindow window, CounterAmounts amounts)
    {
        if (amounts == default || _rare?.Retracted is not { } retracted)
        {
            return;
        }

        var left = RetractedOf(window) - amounts;
        retracted.RemoveAll(one => one.Time == RowTimeOf(window));
        if (left != default)
        {
            retracted.Add((RowTimeOf(window), left));
        }

        if (retracted.Count == 0)
        {
            _rare!.Retracted = null;
            _rare = _rare.IsEmpty ? null : _rare;
        }
    }

    private CounterAmounts RetractedOf(CounterWindow window)
    {
        var sum = default(CounterAmounts);
        foreach (var one in _rare?.Retracted ?? [])
        {
            sum += one.Time == RowTimeOf(window) ? one.Amounts : default;
        }

        return sum;
    }

    private static string RowTimeOf(CounterWindow window) => window.Rolling is null ? string.Empty : window.Time;

    /// <summary>A row as the database has it, when nothing of the window is on its way.</summary>
    public void SetRow(CounterWindow window, CounterRow row) =>
        RowOf(window.Rolling is null ? window : window with { Time = row.Time }).Total = row.Total;

    private ref Sums RowOf(CounterWindow window)
    {
        if (window.Rolling is null)
        {
            return ref _row;
        }

        return ref Rare.Bucket(window.Time);
    }

    /// <summary>Rows that are about to be loaded are forgotten before: one that is no longer in SQL must not stay here.</summary>
    public void ForgetRows(CounterWindow window)
    {
        _row.Total = default;
        if (window.Rolling is not null)
        {
            Rare.ForgetBuckets(window.RowsToRead.From);
        }
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
            return [(window.Time, _row.Total.With(which, amounts))];
        }

        var buckets = _rare?.Buckets ?? [];
        var newest = buckets.Find(bucket => bucket.Time == window.Time).Sums.Total;
        var rows = new List<(string Time, CounterAmounts Amounts)> { (window.Time, newest.With(which, amounts)) };
        var first = window.Range.From;
        foreach (var bucket in buckets)
        {
            var total = bucket.Sums.Total;
            var emptied = total.With(which, default);
            if (bucket.Time != window.Time && emptied != total && string.CompareOrdinal(bucket.Time, first) >= 0)
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

    public CounterAmounts? ReservationOf(MailId mail) => _reservations?.Of(mail);

    public void Hold(MailId mail, CounterAmounts amounts, DateTimeOffset until) =>
        (_reservations ??= WindowReservations.Rent()).Hold(mail, amounts, until);

    public void Drop(MailId mail)
    {
        _reservations?.Drop(mail);
        ReturnIfNone();
    }

    /// <summary>Ends the reservations of mails that never came to an end.</summary>
    public void DropExpired(DateTimeOffset now)
    {
        _reservations?.DropExpired(now);
        ReturnIfNone();
    }

    private void ReturnIfNone()
    {
        if (_reservations is { Count: 0 } empty)
        {
            _reservations = null;
            empty.Return();
        }
    }

    /// <summary>
    /// A row by what its owner knows. <c>Cumulated</c> is all that this life of the owner has added: the writer tells by it which adds a
    /// total of the database holds.
    /// </summary>
    private struct Sums
    {
        public CounterAmounts Total;
        public CounterAmounts Cumulated;
    }

    private struct Bucket
    {
        public string Time;
        public Sums Sums;
    }

    private sealed class RareSums
    {
        /// <summary>The rows of a rolling window.</summary>
        public List<Bucket>? Buckets { get; private set; }

        /// <summary>Buckets before this were not read, or are forgotten.</summary>
        public string From { get; private set; } = string.Empty;

        /// <summary>Adds that were taken off, by the row that they were added to.</summary>
        public List<(string Time, CounterAmounts Amounts)>? Retracted { get; set; }

        public bool IsEmpty => Buckets is null && Retracted is null && From.Length == 0;

        public ref Sums Bucket(string time)
        {
            var rows = CollectionsMarshal.AsSpan(Buckets);
            for (var index = rows.Length - 1; index >= 0; index--)
            {
                if (rows[index].Time == time)
                {
                    return ref rows[index].Sums;
                }
            }

            (Buckets ??= []).Add(new Bucket { Time = time });
            return ref CollectionsMarshal.AsSpan(Buckets)[^1].Sums;
        }

        public void ForgetBuckets(string from)
        {
            Buckets?.Clear();
            From = from;
        }

        public void ForgetBucketsBefore(string first, string oldest)
        {
            if (string.CompareOrdinal(oldest, first) < 0)
            {
                Buckets!.RemoveAll(bucket => string.CompareOrdinal(bucket.Time, first) < 0);
                From = string.CompareOrdinal(first, From) > 0 ? first : From;
            }
        }
    }
}
