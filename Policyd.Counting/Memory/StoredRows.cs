using System.Collections.Concurrent;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Memory;

/// <summary>
/// The rows that databases have now, as the <see cref="CounterOrigin"/> of counters in memory. They are only read. What a running server
/// has not committed yet, and what it has reserved, is not in them. A table that is not there, or not ready, is unknown: nothing is made.
/// </summary>
/// <param name="stores">The stores by the names of their connections.</param>
public sealed class StoredRows(IReadOnlyDictionary<string, ICounterStore> stores)
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<(string Connection, string Table), bool> _ready = new();

    /// <summary>The rows of a counter's window.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="CounterStoreException">They are not known.</exception>
    public async Task<IReadOnlyList<CounterRow>> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct)
    {
        if (!stores.TryGetValue(key.Connection, out var store))
        {
            throw new CounterStoreException(CounterStoreFailure.Unavailable, $"nothing counts on the connection {key.Connection}");
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(s_timeout);
        var table = (key.Connection, key.Table);
        if (!_ready.ContainsKey(table))
        {
            var steps = await store.DescribePreparationAsync(key.Table, timeout.Token).ConfigureAwait(false);
            if (steps.Count > 0)
            {
                throw new CounterStoreException(CounterStoreFailure.Schema, $"the table {key.Table} is not ready");
            }

            // By it keys are compared as the table does.
            await store.LookAsync(key.Table, timeout.Token).ConfigureAwait(false);
            _ready[table] = true;
        }

        return await store.LoadAsync(key.Table, [new CounterLoad(key.Key, window.RowsToRead)], timeout.Token).ConfigureAwait(false);
    }
}
