using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>The log of a SQLite file with our own methods in front: less is called, and all that SQLite promises still holds.</summary>
public sealed partial class SqliteLogFileSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private const string Month = "2026-11";
    private const int Frame = 4096 + 24;

    private readonly TemporaryFolder _folder = new();
    private readonly Guid _node = Guid.NewGuid();
    private readonly Dictionary<string, long> _model = new(StringComparer.Ordinal);
    private SqlDatabase _database = null!;
    private SqliteCounterStore _store = null!;
    private long _sequence;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string DatabaseFile => _folder["counters.db"];

    private long LogLength => new FileInfo(DatabaseFile + "-wal").Length;

    public async ValueTask InitializeAsync()
    {
        OpenStore();
        await _store.PrepareAsync(Table, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseStoreAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Commit_is_seen_by_another_connection_as_soon_as_it_is_done()
    {
        using var other = new SqliteConnection($"Data Source={DatabaseFile};Pooling=False");
        other.Open();
        using var sum = other.CreateCommand();
        sum.CommandText = $"SELECT sum(count) FROM {Table}";
        for (var number = 1; number <= 20; number++)
        {
            await CommitAsync(64);
            Assert.NotNull(_store.Log);
            Assert.Equal(64L * number, sum.ExecuteScalar());
        }

        AssertFile();
    }

    [Fact]
    public async Task Pages_of_a_commit_are_few_writes()
    {
        await CommitAsync(2000);
        var (length, writes) = (LogLength, _store.Log!.Writes);
        Assert.Equal(0, writes);   // before it was attached
        await CommitAsync(keys: [.. Enumerable.Range(0, 20).Select(number => Key(number * 100))]);
        var pages = (LogLength - length) / Frame;
        Assert.True(pages > 15, $"{pages} pages");
        Assert.Equal((pages + 14) / 15, _store.Log.Writes);   // 15 go into 64 KiB
    }

    [Fact]
    public async Task Commit_of_hundreds_of_pages_is_written_in_parts()
    {
        await CommitAsync(1);
        var length = LogLength;
        await CommitAsync(15_000);
        Assert.True(LogLength - length > 300 * Frame, $"{(LogLength - length) / Frame} pages");
        Assert.InRange(_store.Log!.Writes, 300 / 15, (LogLength - length) / Frame / 10);
        AssertFile();
    }

    [Fact]
    public async Task Sync_that_fails_fails_the_commit_and_a_new_connection_goes_on()
    {
        await CommitAsync(3);
        await CommitAsync(3);
        var before = _store.Log;
        using (var device = File.OpenHandle("/dev/null"))
        {
            // A device has nothing to sync, and says so.
            Assert.True(Duplicate((int)device.DangerousGetHandle(), (int)before!.Descriptor.DangerousGetHandle()) >= 0);
        }

        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => WriteAsync([Key(0)]));
        Assert.Equal(CounterStoreFailure.CommitUnknown, failure.Failure);
        Assert.Equal(1034, Assert.IsType<SqliteException>(failure.InnerException).SqliteExtendedErrorCode);   // SQLITE_IOERR_FSYNC
        Assert.True(before.Descriptor.IsClosed);
        if (await _store.IsCommittedAsync(_node, _sequence, Cancel))
        {
            _model[Key(0)]++;
        }

        await CommitAsync(3);
        Assert.NotNull(_store.Log);
        AssertFile();
    }

    [ServerTest]
    [Fact]
    public async Task Full_disk_refuses_whole_commits_and_damages_nothing()
    {
        await using var small = await SmallDisk.MountAsync(_folder["disk"], "2m");
        var disk = small.Folder;
        var file = Path.Combine(disk, "counters.db");
        await CloseStoreAsync();
        OpenStore(file);
        await _store.PrepareAsync(Table, Cancel);
        for (var round = 0; round < 3; round++)
        {
            await CommitAsync(200);
            var ballast = Path.Combine(disk, "ballast");
            await File.WriteAllBytesAsync(ballast, new byte[300_000], Cancel);
            var full = default(CounterStoreException);
            for (var number = 0; full is null; number++)
            {
                Assert.True(number < 1_000, "the disk never became full");
                full = await Record.ExceptionAsync(() => CommitAsync(200)) as CounterStoreException;
            }

            Assert.Equal(CounterStoreFailure.Refused, full.Failure);
            Assert.Contains("disk is full", full.Message, StringComparison.Ordinal);
            Assert.False(await _store.IsCommittedAsync(_node, _sequence, Cancel));
            AssertFile(file);
            File.Delete(ballast);
            SqliteFile.Execute(file, "PRAGMA wal_checkpoint(TRUNCATE)");
        }

        await CloseStoreAsync();
    }

    [Fact]
    public async Task Sums_are_those_of_a_model_whoever_commits_checkpoints_and_fails_in_between()
    {
        var seed = TestSeed.Next();
        output.WriteLine($"POLICYD_SEED={seed}");
        var random = new Random(seed);
        Run(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY); "
            + "CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED); "
            + $"CREATE TRIGGER refuse AFTER INSERT ON {Table} WHEN NEW.key = 'refused' BEGIN INSERT INTO child VALUES (1); END");
        for (var step = 0; step < 150; step++)
        {
            switch (random.Next(10))
            {
                case 0:
                    var key = Key(random.Next(50));
                    Run($"INSERT INTO {Table} VALUES ('{key}', '{Month}', 5, 5, 5, 5) ON CONFLICT DO UPDATE SET count = count + 5");
                    _model[key] = _model.GetValueOrDefault(key) + 5;
                    break;
                case 1:
                    Run("PRAGMA wal_checkpoint(TRUNCATE)");
                    break;
                case 2:
                    Run($"INSERT INTO {Table} SELECT hex(randomblob(90)), 'other', 0, 0, 0, 0 FROM ({Numbers(random.Next(1, 200))})");
                    break;
                case 3:
                    // The COMMIT fails, and its transaction is still open then.
                    var failure = await Assert.ThrowsAsync<CounterStoreException>(
                        () => WriteAsync(["refused", .. Keys(random.Next(100))]));
                    Assert.Contains("FOREIGN KEY", failure.Message, StringComparison.Ordinal);
                    break;
                case 4 when step % 3 == 0:
                    await CloseStoreAsync();
                    OpenStore();
                    break;
                default:
                    await CommitAsync(keys: [.. Keys(random.Next(10) == 0 ? 1000 : 60).Where(_ => random.Next(3) > 0)]);
                    break;
            }
        }

        AssertFile();
    }

    private static string Key(int number) => $"{number:d5}@{new string('x', 80)}.example.org";

    private static IEnumerable<string> Keys(int count) => Enumerable.Range(0, count).Select(Key);

    private static string Numbers(int count) =>
        $"WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n";

    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Duplicate(int from, int to);

    private void Run(string sql) => SqliteFile.Execute(DatabaseFile, sql);

    private void OpenStore(string? file = null)
    {
        Assert.True(SqlDsn.TryParse($"Data Source={file ?? DatabaseFile};Foreign Keys=True", out var dsn, out var error), error);
        _database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn!, Provider = SqlProvider.SQLite });
        _store = (SqliteCounterStore)_database.CreateCounterStore();
    }

    private async Task CloseStoreAsync()
    {
        await _store.DisposeAsync();
        await _database.DisposeAsync();
        Assert.Null(_store.Log);
    }

    private Task CommitAsync(int rows) => CommitAsync([.. Keys(rows)]);

    private async Task CommitAsync(string[] keys)
    {
        var totals = await WriteAsync(keys);
        foreach (var key in keys)
        {
            _model[key] = _model.GetValueOrDefault(key) + 1;
        }

        Assert.All(totals, total => Assert.Equal(_model[total.Row.Key], total.Row.Total.Count));
    }

    private Task<IReadOnlyList<(string Table, CounterRow Row)>> WriteAsync(string[] keys) => _store.CommitAsync(
        new CounterCommit(_node, ++_sequence, DateTimeOffset.UtcNow, [], [
            .. keys.Select(key => new CounterDelta(Table, key, Month, new CounterAmounts(1, 1, 1, 1)))
        ]),
        Cancel);

    private void AssertFile(string? file = null)
    {
        Assert.Equal(["ok"], SqliteFile.Rows(file ?? DatabaseFile, "PRAGMA integrity_check"));
        Assert.Equal(
            _model.Select(row => $"{row.Key}|{row.Value}").Order(StringComparer.Ordinal),
            SqliteFile.Rows(file ?? DatabaseFile, $"SELECT key, count FROM {Table} WHERE time = '{Month}' ORDER BY key"));
    }
}
