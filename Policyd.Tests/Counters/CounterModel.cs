using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>What counters are, without owners, writers and databases: rows, reservations and the mails that were counted.</summary>
internal sealed class CounterModel
{
    private static readonly TimeSpan ReservationTimeout = TimeSpan.FromMinutes(10);
    private readonly Dictionary<(
        string Key, string Instance, string Window), (CounterAmounts Amounts, DateTimeOffset Until)> _reservations = [];

    public Dictionary<(string Key, string Time), CounterAmounts> Rows { get; } = [];

    /// <summary>All adds, each of which is counted once however often it was sent.</summary>
    public List<ModelAdd> Adds { get; } = [];

    public CounterAmounts Sum(string key, CounterWindow window)
    {
        var range = window.Range;
        return Rows
            .Where(row => row.Key.Key == key
                && string.CompareOrdinal(range.From, row.Key.Time) <= 0
                && string.CompareOrdinal(row.Key.Time, range.To) <= 0)
            .Aggregate(CounterAmounts.Zero, static (sum, row) => sum + row.Value);
    }

    public CounterAmounts Add(ModelAdd add)
    {
        Adds.Add(add);
        EndReservation(add);
        Rows[(add.Key, add.Window.Time)] = Rows.GetValueOrDefault((add.Key, add.Window.Time)) + add.Amounts;
        return Sum(add.Key, add.Window);
    }

    public bool HasRoom(string key, CounterWindow window, double threshold, string instance, DateTimeOffset now)
    {
        var held = _reservations
            .Where(one => one.Key.Key == key && one.Key.Window == window.Name && one.Key.Instance != instance && one.Value.Until > now)
            .Aggregate(CounterAmounts.Zero, static (sum, one) => sum + one.Value.Amounts);
        return (Sum(key, window) + held).Count < threshold;
    }

    public void Reserve(string key, CounterWindow window, CounterAmounts amounts, string instance, DateTimeOffset now)
    {
        var id = (key, instance, window.Name);
        var mine = _reservations.TryGetValue(id, out var held) && held.Until > now ? CounterAmounts.Max(held.Amounts, amounts) : amounts;
        _reservations[id] = (mine, now + ReservationTimeout);
    }

    public void Release(string key, string instance)
    {
        foreach (var id in _reservations.Keys.Where(id => id.Key == key && id.Instance == instance).ToList())
        {
            _reservations.Remove(id);
        }
    }

    /// <summary>A mail that is counted, or was before, holds no place any more.</summary>
    public void EndReservation(ModelAdd add) => _reservations.Remove((add.Key, add.Instance, add.Window.Name));

    /// <summary>Reservations are the owner's memory: they end with it.</summary>
    public void ForgetReservations() => _reservations.Clear();
}

/// <summary>One mail's add to one key.</summary>
internal sealed record ModelAdd(string Key, CounterWindow Window, CounterAmounts Amounts, string Instance, UInt128 Id, DateTimeOffset At);
