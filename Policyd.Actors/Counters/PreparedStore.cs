using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// A store whose tables are created, or taken over from mtpolicyd, before they are first used. That may be long after the
/// start: the database can be away then. What was done to a table is logged once.
/// </summary>
internal sealed class PreparedStore(string connection, ICounterStore store, ILogger logger)
{
    private readonly ConcurrentDictionary<string, CounterTableInfo> _prepared = [];

    // A setting is the whole server's: told once, not for each table.
    private readonly ConcurrentDictionary<string, bool> _warned = [];

    /// <summary>What is known of a table; null before it was prepared.</summary>
    public CounterTableInfo? InfoOf(string table) => _prepared.GetValueOrDefault(table);

    public async Task PrepareAsync(IEnumerable<string> tables, CancellationToken ct)
    {
        foreach (var table in tables)
        {
            if (_prepared.ContainsKey(table))
            {
                continue;
            }

            var info = await store.PrepareAsync(table, ct).ConfigureAwait(false);
            if (_prepared.TryAdd(table, info))
            {
                foreach (var done in info.Done)
                {
                    logger.LogWarning("{Connection}: {Done}", connection, done);
                }

                foreach (var warning in info.Warnings.Where(warning => _warned.TryAdd(warning, true)))
                {
                    logger.LogWarning("{Connection}: {Warning}", connection, warning);
                }
            }
        }
    }

    public Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct) =>
        PreparedAsync([table], () => store.LoadAsync(table, loads, ct), ct);

    public Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct) =>
        PreparedAsync(commit.Deltas.Select(delta => delta.Table).Distinct(), () => store.CommitAsync(commit, ct), ct);

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => store.IsCommittedAsync(node, sequence, ct);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct) =>
        store.RequestIdsSinceAsync(since, seen, ct);

    private async Task<T> PreparedAsync<T>(IEnumerable<string> tables, Func<Task<T>> work, CancellationToken ct)
    {
        await PrepareAsync(tables, ct).ConfigureAwait(false);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (CounterStoreException exception) when (exception.Failure == CounterStoreFailure.Schema)
        {
            // Somebody dropped or changed a table under us: the next attempt looks at all of them anew.
            _prepared.Clear();
            throw;
        }
    }
}
