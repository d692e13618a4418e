using BenchmarkDotNet.Attributes;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Bench.Micro;

/// <summary>
/// A group commit into SQLite: requests of four rows each, in two tables, among a thousand keys. The file is on the disk of the temporary
/// folder, and each commit waits until it is there.
/// </summary>
[MemoryDiagnoser]
public class CounterStoreBenchmarks
{
    private const int Keys = 1000;
    private const int RowsOfARequest = 4;
    private static readonly string[] s_tables = ["acct_client_address", "acct_sender"];

    private readonly string _folder = Directory.CreateTempSubdirectory("policyd-bench-").FullName;
    private readonly Guid _node = Guid.NewGuid();
    private readonly Random _random = new(1);
    private readonly string[] _keys = [.. Enumerable.Range(0, Keys).Select(number => $"user{number}@example.org")];
    private SqlDatabase _database = null!;
    private ICounterStore _store = null!;
    private CounterCommit[] _commits = [];
    private long _sequence;

    /// <summary>How many requests are in a group.</summary>
    [Params(16, 64)]
    public int Requests { get; set; }

    [GlobalSetup]
    public async Task SetUp()
    {
        if (!SqlDsn.TryParse($"Data Source={Path.Combine(_folder, "counters.db")}", out var dsn, out var error) || dsn is null)
        {
            throw new InvalidOperationException(error);
        }

        _database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn, Provider = SqlProvider.SQLite });
        _store = _database.CreateCounterStore();
        foreach (var table in s_tables)
        {
            await _store.PrepareAsync(table, CancellationToken.None).ConfigureAwait(false);
        }

        // Made beforehand: what the writer's batch costs is not the store's.
        _commits = [.. Enumerable.Range(0, 64).Select(_ => Group())];
    }

    [Benchmark]
    public Task<IReadOnlyList<(string Table, CounterRow Row)>> Commit() => _store.CommitAsync(
        _commits[_sequence % _commits.Length] with { Sequence = ++_sequence }, CancellationToken.None);

    [GlobalCleanup]
    public async Task CleanUp()
    {
        await _store.DisposeAsync().ConfigureAwait(false);
        await _database.DisposeAsync().ConfigureAwait(false);
        Directory.Delete(_folder, recursive: true);
    }

    private CounterCommit Group()
    {
        var ids = Enumerable.Range(0, Requests).Select(_ => new UInt128((ulong)_random.NextInt64(), (ulong)_random.NextInt64()));
        var rows = Enumerable.Range(0, Requests * RowsOfARequest)
            .Select(row => (Table: s_tables[row % s_tables.Length], Key: _keys[_random.Next(Keys)]))
            .GroupBy(row => row)
            .Select(row => new CounterDelta(
                row.Key.Table, row.Key.Key, "2026-11", new CounterAmounts(row.Count(), row.Count(), 1000, 1000)));
        return new CounterCommit(_node, 0, DateTimeOffset.UtcNow, [.. ids], [.. rows]);
    }
}
