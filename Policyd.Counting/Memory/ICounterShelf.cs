using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Memory;

/// <summary>
/// Where <see cref="MemoryCounters"/> put the rows of counters that nobody has asked for lately, so that their memory does not grow with
/// the mails that are tried. For one caller at a time.
/// </summary>
public interface ICounterShelf
{
    /// <summary>Puts rows there; one that is there already is replaced.</summary>
    /// <param name="counters">The rows by their counters.</param>
    void Put(IEnumerable<KeyValuePair<CounterKey, IReadOnlyDictionary<string, CounterAmounts>>> counters);

    /// <summary>The rows of a counter in a range of times.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="times">The times.</param>
    IReadOnlyList<CounterRow> Rows(CounterKey key, CounterTimeRange times);
}
