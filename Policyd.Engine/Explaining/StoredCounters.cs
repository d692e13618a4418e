using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Engine.Explaining;

/// <summary>
/// Counters as the databases have them, for a rehearsal without a server: they are read only. What a running server has not committed yet,
/// and what it has reserved, is not in them. A table that is not there, or not ready, is unknown: nothing is made.
/// </summary>
/// <param name="stores">The stores by the names of their connections.</param>
public sealed class StoredCounters(IReadOnlyDictionary<string, ICounterStore> stores) : ICounters
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public void Send(CounterPhase phase)
    {
        ArgumentNullException.ThrowIfNull(phase);
        foreach (var operation in phase)
        {
            if (operation is ReadOperation && stores.TryGetValue(operation.Key.Connection, out var store))
            {
                _ = AnswerAsync(operation, store);
            }
            else
            {
                operation.TryAnswer(CounterAnswer.Unavailable(CounterReason.Database));
            }
        }
    }

    /// <inheritdoc/>
    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
    }

    /// <inheritdoc/>
    public bool KnowsFormerIds(string connection) => false;

    private static async Task AnswerAsync(CounterOperation operation, ICounterStore store)
    {
        var (key, window) = (operation.Key, operation.Window);
        try
        {
            using var timeout = new CancellationTokenSource(s_timeout);
            var isReady = (await store.DescribePreparationAsync(key.Table, timeout.Token).ConfigureAwait(false)).Count == 0;
            operation.TryAnswer(isReady
                ? CounterAnswer.Known(await SumAsync(store, key, window, timeout.Token).ConfigureAwait(false))
                : CounterAnswer.Unavailable(CounterReason.Database));
        }
        catch (Exception e) when (e is CounterStoreException or OperationCanceledException)
        {
            operation.TryAnswer(CounterAnswer.Unavailable(CounterReason.Database));
        }
    }

    private static async Task<CounterAmounts> SumAsync(ICounterStore store, CounterKey key, CounterWindow window, CancellationToken ct)
    {
        var rows = await store.LoadAsync(key.Table, [new CounterLoad(key.Key, window.Range)], ct).ConfigureAwait(false);
        return rows.Aggregate(CounterAmounts.Zero, static (sum, row) => sum + row.Total);
    }
}
