using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Memory;

/// <summary>
/// Which keys are one for the tables that a server counts in: by MySQL's default collations <c>Bob</c> and <c>bob</c> are one row. Only the
/// database knows. Keys of a table that is not there, or whose database cannot be asked, are compared as they are written.
/// </summary>
public sealed class KeySpellings
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);
    private readonly Dictionary<(string Connection, string Table), CounterTableInfo> _tables = [];
    private readonly List<(string Connection, string Reason)> _unknown = [];

    /// <summary>The connections whose database could not be asked, each with the reason.</summary>
    public IReadOnlyList<(string Connection, string Reason)> Unknown => _unknown;

    /// <summary>Asks the databases. Changes nothing there.</summary>
    /// <param name="stores">The stores by the names of their connections.</param>
    /// <param name="tables">The tables that are counted in.</param>
    /// <param name="ct">Ends the wait.</param>
    public static async Task<KeySpellings> LookAsync(
        IReadOnlyDictionary<string, ICounterStore> stores, IEnumerable<(string Connection, string Table)> tables, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(stores);
        var spellings = new KeySpellings();
        foreach (var connection in tables.Distinct().GroupBy(static one => one.Connection))
        {
            await spellings.LookAsync(
                stores[connection.Key], connection.Key, connection.Select(static one => one.Table), ct).ConfigureAwait(false);
        }

        return spellings;
    }

    /// <summary>The key in the one spelling of all that its table takes for one.</summary>
    public CounterKey Of(CounterKey key) => _tables.TryGetValue((key.Connection, key.Table), out var table)
        ? key with { Key = CounterKeyText.ForTable(key.Key, table) }
        : key;

    private async Task LookAsync(ICounterStore store, string connection, IEnumerable<string> tables, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(s_timeout);
        try
        {
            foreach (var table in tables)
            {
                if (await store.LookAsync(table, timeout.Token).ConfigureAwait(false) is { } info)
                {
                    _tables[(connection, table)] = info;
                }
            }
        }
        catch (CounterStoreException away)
        {
            _unknown.Add((connection, away.Message));
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            _unknown.Add((connection, $"the database did not answer within {s_timeout.TotalSeconds:0} s"));
        }
    }
}
