using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Testing;

/// <summary>Counters in memory: each mail is counted once, as by the server.</summary>
public sealed class FakeCounters : ICounters
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(CounterKey Key, string Time), CounterAmounts> _rows = [];
    private readonly Dictionary<(CounterKey Key, string Window, MailId Mail), CounterAmounts> _reserved = [];
    private readonly HashSet<UInt128> _counted = new(CounterRequestId.SameCount);

    /// <summary>Whether the database is away: nothing is known, and adds are kept for later.</summary>
    public bool IsAway { get; set; }

    /// <summary>What all windows of a key hold together.</summary>
    /// <param name="table">The table.</param>
    /// <param name="key">The key.</param>
    public CounterAmounts this[string table, string key]
    {
        get
        {
            lock (_lock)
            {
                return _rows.Where(row => row.Key.Key.Table == table && row.Key.Key.Key == key)
                    .Aggregate(CounterAmounts.Zero, static (sum, row) => sum + row.Value);
            }
        }
    }

    /// <inheritdoc/>
    public void Send(CounterPhase phase)
    {
        ArgumentNullException.ThrowIfNull(phase);
        lock (_lock)
        {
            foreach (var operation in phase)
            {
                operation.TryAnswer(Answer(operation));
            }
        }
    }

    /// <inheritdoc/>
    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
        lock (_lock)
        {
            foreach (var held in _reserved.Keys.Where(
                held => held.Key == key && held.Mail == mail && (window is null || window.Value.Name == held.Window)))
            {
                _reserved.Remove(held);
            }
        }
    }

    /// <inheritdoc/>
    public bool KnowsFormerIds(string connection) => false;

    private CounterAnswer Answer(CounterOperation operation) => operation switch
    {
        AddOperation add => Add(add),
        _ when IsAway => CounterAnswer.Unavailable(CounterReason.Database),
        ReserveOperation reserve => Reserve(reserve),
        FindCountedOperation find => CounterAnswer.Known(default) with { Yes = find.RequestIds.Any(_counted.Contains) },
        _ => CounterAnswer.Known(Sum(operation)),
    };

    private CounterAnswer Add(AddOperation add)
    {
        _reserved.Remove((add.Key, add.Window.Name, add.Mail));
        if (add.RequestId is not { } id || _counted.Add(id))
        {
            var row = (add.Key, add.Window.Time);
            _rows[row] = _rows.GetValueOrDefault(row) + add.Amounts;
        }

        return IsAway ? CounterAnswer.Deferred : CounterAnswer.Known(Sum(add));
    }

    private CounterAnswer Reserve(ReserveOperation reserve)
    {
        var total = _reserved
            .Where(held => held.Key.Key == reserve.Key && held.Key.Window == reserve.Window.Name && held.Key.Mail != reserve.Mail)
            .Aggregate(Sum(reserve), static (sum, held) => sum + held.Value);
        var admits = total[reserve.Metric] < reserve.Threshold;
        if (admits && !reserve.Mail.IsNone)
        {
            _reserved[(reserve.Key, reserve.Window.Name, reserve.Mail)] = reserve.Amounts;
        }

        return CounterAnswer.Known(total) with { Yes = admits };
    }

    private CounterAmounts Sum(CounterOperation operation) => _rows
        .Where(row => row.Key.Key == operation.Key
            && string.CompareOrdinal(row.Key.Time, operation.Window.Range.From) >= 0
            && string.CompareOrdinal(row.Key.Time, operation.Window.Range.To) <= 0)
        .Aggregate(CounterAmounts.Zero, static (sum, row) => sum + row.Value);
}
