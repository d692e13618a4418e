using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// One window of one key in the owner's memory. A million of these may live at once, so the common case, a calendar window
/// that nobody reserves in at the moment, holds no collection at all.
/// </summary>
internal sealed class OpenWindow
{
    private CounterAmounts _total;
    private List<CounterRow>? _buckets;
    private Dictionary<string, Reservation>? _reservations;
    private DateTimeOffset _earliestExpiry = DateTimeOffset.MaxValue;
    private bool _touched;

    public bool Loaded { get; set; }

    public CounterAmounts InFlight { get; set; }

    public int AddsInFlight { get; set; }

    public CounterAmounts Reserved { get; private set; }

    public bool IsQuiet => AddsInFlight == 0 && _reservations is null or { Count: 0 };

    public CounterAmounts Sum(CounterWindow window)
    {
        _touched = true;
        if (window.Rolling is null)
        {
            return _total + InFlight;
        }

        var sum = InFlight;
        var oldest = window.Range.From;
        _buckets?.RemoveAll(bucket => string.CompareOrdinal(bucket.Time, oldest) < 0);
        foreach (var bucket in _buckets ?? [])
        {
            sum += bucket.Total;
        }

        return sum;
    }

    public void SetRow(CounterWindow window, CounterRow row)
    {
        _touched = true;
        if (window.Rolling is null)
        {
            _total = row.Total;
            return;
        }

        _buckets ??= [];
        var index = _buckets.FindLastIndex(bucket => bucket.Time == row.Time);
        if (index >= 0)
        {
            _buckets[index] = row;
        }
        else
        {
            _buckets.Add(row);
        }
    }

    /// <summary>Whether anybody has asked since this was last looked at.</summary>
    public bool TakeTouched()
    {
        var touched = _touched;
        _touched = false;
        return touched;
    }

    public CounterAmounts? ReservationOf(string instance) =>
        _reservations is not null && _reservations.TryGetValue(instance, out var held) ? held.Amounts : null;

    public void Hold(string instance, CounterAmounts amounts, DateTimeOffset until)
    {
        Drop(instance);
        (_reservations ??= []).Add(instance, new Reservation(amounts, until));
        Reserved += amounts;
        if (until < _earliestExpiry)
        {
            _earliestExpiry = until;
        }
    }

    public void Drop(string instance)
    {
        if (_reservations is not null && _reservations.Remove(instance, out var held))
        {
            Reserved -= held.Amounts;
        }
    }

    /// <summary>Ends the reservations of mails that never came to an end. Looks only when the earliest of them can have run out.</summary>
    public void DropExpired(DateTimeOffset now)
    {
        if (_reservations is null || now < _earliestExpiry)
        {
            return;
        }

        _earliestExpiry = DateTimeOffset.MaxValue;
        foreach (var (instance, held) in _reservations)
        {
            if (held.Until <= now)
            {
                Drop(instance);
            }
            else if (held.Until < _earliestExpiry)
            {
                _earliestExpiry = held.Until;
            }
        }
    }

    private readonly record struct Reservation(CounterAmounts Amounts, DateTimeOffset Until);
}
