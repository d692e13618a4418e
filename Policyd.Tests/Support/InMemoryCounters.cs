using System.Collections.Concurrent;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Support;

/// <summary>Counters as docs/counters.md describes them, without a database or actors: what plugins are tested against.</summary>
internal sealed class InMemoryCounters : ICounters
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(CounterKey Key, string Time), CounterAmounts> _rows = [];
    private readonly Dictionary<(CounterKey Key, string Window, MailId Mail), CounterAmounts> _reservations = [];
    private readonly HashSet<UInt128> _ids = new(CounterRequestId.SameCount);

    public CounterState State { get; set; }

    /// <summary>Why what is not known is not.</summary>
    public CounterReason Reason { get; set; } = CounterReason.Database;

    /// <summary>So many adds find that their counter has moved and is full.</summary>
    public int StaleAdds { get; set; }

    /// <summary>What happens with each of them.</summary>
    public Action<InMemoryCounters>? AfterStale { get; set; }

    /// <summary>While set, nothing is answered.</summary>
    public bool Hangs { get; set; }

    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>How many operations each phase had.</summary>
    public ConcurrentQueue<int> Phases { get; } = new();

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

    public void Send(CounterPhase phase)
    {
        Phases.Enqueue(phase.Count);
        var operations = new List<CounterOperation>();
        foreach (var operation in phase)
        {
            Calls.Enqueue($"{Name(operation)} {operation.Key.Table} {operation.Key.Key}");
            operations.Add(operation);
        }

        if (!Hangs)
        {
            _ = Task.Run(() => operations.ForEach(Answer));
        }
    }

    public bool KnowsFormerIds(string connection) => false;

    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
        lock (_lock)
        {
            foreach (var place in _reservations.Keys)
            {
                if (place.Key == key && place.Mail == mail && (window is null || window.Value.Name == place.Window))
                {
                    _reservations.Remove(place);
                }
            }
        }
    }

    private CounterAmounts Sum(CounterKey key, CounterWindow window) => _rows
        .Where(row => row.Key.Key == key
            && string.CompareOrdinal(row.Key.Time, window.Range.From) >= 0
            && string.CompareOrdinal(row.Key.Time, window.Range.To) <= 0)
        .Aggregate(CounterAmounts.Zero, (sum, row) => sum + row.Value);

    private static string Name(CounterOperation operation) => operation switch
    {
        ReadOperation => "read",
        ReserveOperation => "reserve",
        AddOperation => "add",
        _ => "counted",
    };

    private void Answer(CounterOperation operation)
    {
        lock (_lock)
        {
            operation.TryAnswer(operation switch
            {
                ReserveOperation reserve => Reserve(reserve),
                AddOperation add => Add(add),
                FindCountedOperation find => CounterAnswer.Known(default) with
                {
                    Yes = find.RequestIds.Any(id => _ids.TryGetValue(id, out var counted) && counted == id),
                },
                _ when State == CounterState.Unavailable => CounterAnswer.Unavailable(Reason),
                _ => CounterAnswer.Known(Sum(operation.Key, operation.Window)) with { State = State },
            });
        }
    }

    private CounterAnswer Reserve(ReserveOperation reserve)
    {
        if (State == CounterState.Unavailable)
        {
            return CounterAnswer.Unavailable(Reason);
        }

        var total = Sum(reserve.Key, reserve.Window);
        foreach (var ((reserved, window, by), held) in _reservations)
        {
            if (reserved == reserve.Key && window == reserve.Window.Name && by != reserve.Mail)
            {
                total += held;
            }
        }

        var answer = CounterAnswer.Known(total) with { State = State, Reason = State == CounterState.Known ? CounterReason.None : Reason };
        if (total[reserve.Metric] >= reserve.Threshold)
        {
            return answer with { Yes = false };
        }

        if (reserve.Mail.IsNone)
        {
            return answer;
        }

        var place = (reserve.Key, reserve.Window.Name, reserve.Mail);
        var isNew = !_reservations.TryGetValue(place, out var before);
        _reservations[place] = CounterAmounts.Max(reserve.Amounts, before);
        return answer with { IsNew = isNew };
    }

    private CounterAnswer Add(AddOperation add)
    {
        Ids.Enqueue(add.RequestId);
        if (StaleAdds > 0)
        {
            StaleAdds--;
            AfterStale?.Invoke(this);
            return CounterAnswer.Stale;
        }

        _reservations.Remove((add.Key, add.Window.Name, add.Mail));
        if (add.RequestId is not { } id || _ids.Add(id))
        {
            _rows[(add.Key, add.Window.Time)] = _rows.GetValueOrDefault((add.Key, add.Window.Time)) + add.Amounts;
        }

        return CounterAnswer.Known(Sum(add.Key, add.Window)) with
        {
            State = State,
            Reason = State == CounterState.Known ? CounterReason.None : Reason,
        };
    }
}
