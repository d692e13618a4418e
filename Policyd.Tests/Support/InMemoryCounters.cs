using System.Collections.Concurrent;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Support;

/// <summary>Counters as docs/counters.md describes them, without a database or actors: what plugins are tested against.</summary>
internal sealed class InMemoryCounters : ICounters
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(CounterKey Key, string Time), CounterAmounts> _rows = [];
    private readonly Dictionary<(CounterKey Key, string Instance), CounterAmounts> _reservations = [];
    private readonly HashSet<UInt128> _ids = new(CounterRequestId.SameCount);

    public CounterState State { get; set; }

    /// <summary>While set, nothing is answered.</summary>
    public bool Hangs { get; set; }

    public ConcurrentQueue<string> Calls { get; } = new();

    public ConcurrentQueue<UInt128?> Ids { get; } = new();

    public CounterAmounts this[CounterKey key, string time]
    {
        get
        {
            lock (_lock)
            {
                return _rows.GetValueOrDefault((key, time));
            }
        }

        set
        {
            lock (_lock)
            {
                _rows[(key, time)] = value;
            }
        }
    }

    public IReadOnlyList<(CounterKey Key, string Time)> Rows
    {
        get
        {
            lock (_lock)
            {
                return [.. _rows.Keys];
            }
        }
    }

    public int Reservations
    {
        get
        {
            lock (_lock)
            {
                return _reservations.Count;
            }
        }
    }

    public ValueTask<CounterReading> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        Answer("read", key, () => new CounterReading(State, State == CounterState.Unavailable ? default : Sum(key, window)), ct);

    public ValueTask<Admission> ReserveAsync(
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        string instance,
        CancellationToken ct) => Answer("reserve", key, () =>
    {
        if (State == CounterState.Unavailable)
        {
            return new Admission(State, true, default);
        }

        var total = Sum(key, window);
        foreach (var ((reserved, by), held) in _reservations)
        {
            if (reserved == key && by != instance)
            {
                total += held;
            }
        }

        if (total[metric] >= threshold)
        {
            return new Admission(State, false, total);
        }

        if (instance.Length > 0)
        {
            _reservations[(key, instance)] = CounterAmounts.Max(amounts, _reservations.GetValueOrDefault((key, instance)));
        }

        return new Admission(State, true, total);
    }, ct);

    public ValueTask<CounterReading> AddAsync(
        CounterKey key,
        CounterWindow window,
        CounterAmounts amounts,
        string instance,
        UInt128? requestId,
        CancellationToken ct) => Answer("add", key, () =>
    {
        Ids.Enqueue(requestId);
        _reservations.Remove((key, instance));
        if (requestId is not { } id || _ids.Add(id))
        {
            _rows[(key, window.Time)] = _rows.GetValueOrDefault((key, window.Time)) + amounts;
        }

        return new CounterReading(State, Sum(key, window));
    }, ct);

    public ValueTask<bool> IsCountedAsync(CounterKey key, IReadOnlyList<UInt128> requestIds, CancellationToken ct) =>
        Answer("counted", key, () => requestIds.Any(id => _ids.TryGetValue(id, out var counted) && counted == id), ct);

    public void Release(CounterKey key, string instance)
    {
        lock (_lock)
        {
            _reservations.Remove((key, instance));
        }
    }

    private CounterAmounts Sum(CounterKey key, CounterWindow window) => _rows
        .Where(row => row.Key.Key == key
            && string.CompareOrdinal(row.Key.Time, window.Range.From) >= 0
            && string.CompareOrdinal(row.Key.Time, window.Range.To) <= 0)
        .Aggregate(CounterAmounts.Zero, (sum, row) => sum + row.Value);

    private async ValueTask<T> Answer<T>(string call, CounterKey key, Func<T> answer, CancellationToken ct)
    {
        Calls.Enqueue($"{call} {key.Table} {key.Key}");
        if (Hangs)
        {
            await Task.Delay(System.Threading.Timeout.Infinite, ct);
        }

        await Task.Yield();
        lock (_lock)
        {
            return answer();
        }
    }
}
