using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// What the rows of a table were after the last commits, for as long as nobody else writes there. Bounded: of more rows than two
/// generations hold, those are forgotten that were not asked for since the last generation began.
/// </summary>
/// <param name="generation">How many rows a generation holds.</param>
internal sealed class KnownTotals(int generation = 32 * 1024)
{
    private Dictionary<CounterRowId, CounterAmounts> _young = [];
    private Dictionary<CounterRowId, CounterAmounts> _old = [];

    public bool TryGet(CounterRowId row, out CounterAmounts total) =>
        _young.TryGetValue(row, out total) || _old.TryGetValue(row, out total);

    public void Set(CounterRowId row, CounterAmounts total)
    {
        _young[row] = total;
        if (_young.Count >= generation)
        {
            (_old, _young) = (_young, _old);
            _young.Clear();
        }
    }

    public void Forget()
    {
        _young.Clear();
        _old.Clear();
    }
}
