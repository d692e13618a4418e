using Policyd.Backends.Dsn;
using Policyd.Backends.Expiring;
using Policyd.Backends.Sql;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sql;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Expiring;

/// <summary>One suite for the stores of tickets and traps, and for the auto-whitelist, on every database.</summary>
public sealed class ExpiringStoreSpecs(MariaDbServer mariaDb, PostgresServer postgres) : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly SetClock _clock = new();
    private readonly List<SqlDatabase> _databases = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases)
        {
            await database.DisposeAsync();
        }

        _folder.Dispose();
    }

    [ServerTest]
    [Theory]
    [InlineData("Memory")]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task A_value_is_found_until_its_time_has_run_out(string kind)
    {
        var store = kind == "Memory"
            ? (IExpiringStore)new MemoryExpiringStore(_clock)
            : new SqlExpiringStore(await DatabaseAsync(kind), _clock);
        Assert.Null(await store.FindAsync("a", Cancel));
        await store.AddAsync("a", 5, TimeSpan.FromMinutes(1), Cancel);
        await store.AddAsync("a", 6, TimeSpan.FromHours(1), Cancel);
        Assert.Equal(5, await store.FindAsync("a", Cancel));
        _clock.Now += TimeSpan.FromMinutes(2);
        Assert.Null(await store.FindAsync("a", Cancel));
        await store.AddAsync("a", 7, TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal(7, await store.FindAsync("a", Cancel));
        await store.RemoveAsync("a", Cancel);
        Assert.Null(await store.FindAsync("a", Cancel));
        await store.SetAsync("a", 8, TimeSpan.FromMinutes(1), Cancel);
        await store.SetAsync("a", 9, TimeSpan.FromHours(1), Cancel);
        _clock.Now += TimeSpan.FromMinutes(2);
        Assert.Equal(9, await store.FindAsync("a", Cancel));
        await store.AddAsync("b", 1, TimeSpan.FromSeconds(1), Cancel);
        await store.AddAsync("c", 2, TimeSpan.FromHours(1), Cancel);
        _clock.Now += TimeSpan.FromMinutes(1);
        await store.PurgeAsync(Cancel);
        Assert.Equal((null, 2L), (await store.FindAsync("b", Cancel), await store.FindAsync("c", Cancel)));
    }

    [ServerTest]
    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task The_auto_whitelist_counts_exactly_and_forgets_after_its_days(string kind)
    {
        var list = new SqlAutoWhitelist(await DatabaseAsync(kind), "autowl", TimeSpan.FromDays(60), _clock);
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 1, Cancel));
        await list.CountAsync("example.com", "192.0.2.7", Cancel);
        await Task.WhenAll(Enumerable.Range(0, 9).Select(_ => list.CountAsync("example.com", "192.0.2.7", Cancel).AsTask()));
        Assert.True(await list.HasPassedAsync("example.com", "192.0.2.7", 10, Cancel));
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 11, Cancel));
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.8", 1, Cancel));
        _clock.Now += TimeSpan.FromDays(61);
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 1, Cancel));
        await list.CountAsync("example.com", "192.0.2.7", Cancel);
        Assert.True(await list.HasPassedAsync("example.com", "192.0.2.7", 1, Cancel));
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 2, Cancel));
        _clock.Now += TimeSpan.FromDays(61);
        await list.PurgeAsync(Cancel);
        await list.CountAsync("example.com", "192.0.2.7", Cancel);
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 2, Cancel));
    }

    [Fact]
    public async Task The_table_of_mtpolicyd_is_used_as_it_is()
    {
        var database = await DatabaseAsync("SQLite");
        await using (var connection = await database.OpenAsync(Cancel))
        {
            await using var command = connection.CreateCommand();
            command.CommandText =
                "CREATE TABLE autowl (id INTEGER PRIMARY KEY AUTOINCREMENT, sender_domain VARCHAR(255), client_ip VARCHAR(39), count "
                    + "INTEGER, last_seen INTEGER); "
                    + $"INSERT INTO autowl (sender_domain, client_ip, count, last_seen) VALUES ('example.com', '192.0.2.7', 4, "
                    + $"{_clock.Now.ToUnixTimeSeconds() - 100})";
            await command.ExecuteNonQueryAsync(Cancel);
        }

        var list = new SqlAutoWhitelist(database, "autowl", TimeSpan.FromDays(60), _clock);
        Assert.True(await list.HasPassedAsync("example.com", "192.0.2.7", 4, Cancel));
        await list.CountAsync("example.com", "192.0.2.7", Cancel);
        await list.CountAsync("example.org", "192.0.2.7", Cancel);
        Assert.True(await list.HasPassedAsync("example.com", "192.0.2.7", 5, Cancel));
        Assert.True(await list.HasPassedAsync("example.org", "192.0.2.7", 1, Cancel));
    }

    [Fact]
    public async Task Memory_keeps_to_its_bound_and_drops_the_oldest()
    {
        var store = new MemoryExpiringStore(_clock, most: 10);
        for (var key = 0; key < 100; key++)
        {
            await store.AddAsync($"{key}", key, TimeSpan.FromHours(1), Cancel);
        }

        Assert.Equal(10, store.Count);
        Assert.Null(await store.FindAsync("89", Cancel));
        Assert.Equal(90, await store.FindAsync("90", Cancel));
    }

    [Fact]
    public async Task Memory_of_what_is_set_again_and_again_does_not_grow()
    {
        var store = new MemoryExpiringStore(_clock, most: 10);
        await store.AddAsync("old", 1, TimeSpan.FromDays(35), Cancel);
        for (var time = 0; time < 100_000; time++)
        {
            await store.SetAsync("again", time, TimeSpan.FromDays(35), Cancel);
        }

        Assert.Equal((2, 1L, 99_999L), (store.Count, await store.FindAsync("old", Cancel), await store.FindAsync("again", Cancel)));
        Assert.InRange(store.Places, 2, 3_000);
    }

    private async Task<SqlDatabase> DatabaseAsync(string kind)
    {
        var (dsn, user) = kind switch
        {
            "SQLite" => ($"dbi:SQLite:dbname={_folder["expiring.db"]}", null),
            "PostgreSQL" => (await postgres.NewDatabase(), "postgres"),
            _ => (await mariaDb.NewDatabase(), "policyd"),
        };
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = parsed!, User = user, Password = user is null ? null : "secret" });
        _databases.Add(database);
        return database;
    }
}
