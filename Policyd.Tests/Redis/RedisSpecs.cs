using System.Text;
using Policyd.Backends.Expiring;
using Policyd.Backends.Redis;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Sessions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Redis;

/// <summary>A real Redis: what tickets, traps, sessions and the auto-whitelist need, and what happens when it goes away.</summary>
public sealed class RedisSpecs : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _open = [];
    private readonly LogCapture _log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _open.Reverse();
        foreach (var one in _open)
        {
            await one.DisposeAsync();
        }
    }

    [ServerTest]
    [Fact]
    public async Task A_value_is_kept_added_once_removed_and_goes_after_its_time()
    {
        var cache = Cache(await ServerAsync());
        Assert.Null(await cache.GetAsync("a", Cancel));
        Assert.True(await cache.AddAsync("a", "1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel));
        Assert.False(await cache.AddAsync("a", "2"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel));
        Assert.Equal("1", await TextAsync(cache, "a"));
        await cache.SetAsync("a", Array.Empty<byte>(), TimeSpan.FromDays(60), Cancel);
        Assert.Empty((await cache.GetAsync("a", Cancel))!);
        Assert.True(await cache.DeleteAsync("a", Cancel));
        Assert.False(await cache.DeleteAsync("a", Cancel));
        Assert.Null(await cache.GetAsync("a", Cancel));
        await cache.SetAsync("short", "x"u8.ToArray(), TimeSpan.FromMilliseconds(1), Cancel);
        await Eventually.Holds("the value to go", async () => await cache.GetAsync("short", Cancel) is null);
    }

    [ServerTest]
    [Fact]
    public async Task Any_key_and_any_bytes_are_held_and_a_thousand_callers_get_each_his_own()
    {
        var cache = Cache(await ServerAsync());
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        string[] odd = ["a b", "a\r\nflush_all", "\u00e4\u2028", new string('k', 4000), "", "\0"];
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(async number =>
        {
            var key = $"{odd[number % odd.Length]}{number}";
            byte[] value;
            lock (random)
            {
                value = new byte[random.Next(0, 5000)];
                random.NextBytes(value);
            }

            await cache.SetAsync(key, value, TimeSpan.FromMinutes(5), Cancel);
            Assert.True((await cache.GetAsync(key, Cancel)).AsSpan().SequenceEqual(value), $"seed {seed}, key {number}");
        }));
    }

    [ServerTest]
    [Fact]
    public async Task Tickets_and_sessions_rest_there_and_two_servers_share_them()
    {
        var server = await ServerAsync();
        var (here, there) = (Cache(server), Cache(server));
        await new CacheExpiringStore(here).AddAsync("t", 1234567890123, TimeSpan.FromMinutes(5), Cancel);
        await new CacheExpiringStore(there).AddAsync("t", 7, TimeSpan.FromMinutes(5), Cancel);
        Assert.Equal(1234567890123, await new CacheExpiringStore(there).FindAsync("t", Cancel));
        await here.SetAsync("policyd-expiring:t2", "no number"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
        await Assert.ThrowsAsync<CacheException>(async () => await new CacheExpiringStore(there).FindAsync("t2", Cancel));

        var session = new Session();
        session["score"] = "7";
        session.Set("list", "a \u00e4");
        var store = new CacheSessionStore(here, TimeSpan.FromSeconds(300));
        await store.StoreAsync("1a2b.5", session, Cancel);
        await store.StoreAsync("", session, Cancel);
        var found = await new CacheSessionStore(there, TimeSpan.FromSeconds(300)).LoadAsync("1a2b.5", Cancel);
        Assert.Equal(session.ToJson(), found!.ToJson());
        Assert.Null(await store.LoadAsync("", Cancel));
        Assert.Null(await store.LoadAsync("other", Cancel));
        await here.SetAsync("policyd-session:bad", "[1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
        await Assert.ThrowsAsync<CacheException>(async () => await store.LoadAsync("bad", Cancel));
    }

    [ServerTest]
    [Fact]
    public async Task A_server_that_is_away_fails_at_once_is_logged_once_and_serves_again_when_it_is_back()
    {
        var server = await ServerAsync();
        var cache = Cache(server);
        await cache.SetAsync("a", "1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
        await server.Kill();
        await Eventually.Holds("the loss to be noticed", async () => !await WorksAsync(cache));
        for (var ask = 0; ask < 50; ask++)
        {
            await WorksAsync(cache);
        }

        var told = _log.Containing("connection c: ").Count();
        Assert.Equal(1, told);
        await server.Start();
        await Eventually.Holds("it to serve again", async () => await WorksAsync(cache), TimeSpan.FromSeconds(60));
        Assert.Single(_log.Containing("answers again"));
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    [InlineData("")]
    public async Task Something_else_at_the_address_is_an_error_and_not_a_hang(string answer)
    {
        await using var other = new OneAnswerServer(Encoding.ASCII.GetBytes(answer));
        var cache = Cache(other.Port);
        for (var ask = 0; ask < 3; ask++)
        {
            await Assert.ThrowsAsync<CacheException>(async () => await cache.GetAsync("a", Cancel));
        }

        Assert.NotEmpty(_log.Containing("connection c: "));
    }

    [ServerTest]
    [Fact]
    public async Task Redis_is_reached_by_its_socket_with_its_password_and_in_its_database_and_a_wrong_password_is_never_shown()
    {
        var server = await RedisServer.StartNew("s3cret");
        _open.Add(server);
        var right = Own(new RedisConnectionOptions { Sock = server.Sock, Password = "s3cret", Db = 3 }.Open(Environment));
        await right.SetAsync("a", "1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
        var other = Own(new RedisConnectionOptions { Server = $"127.0.0.1:{server.Port}", Password = "s3cret" }.Open(Environment));
        Assert.Null(await other.GetAsync("a", Cancel));
        var same = Own(
            new RedisConnectionOptions { Server = $"127.0.0.1:{server.Port}", Password = "s3cret", Db = 3 }.Open(Environment));
        Assert.Equal("1", await TextAsync(same, "a"));

        var wrong = Own(new RedisConnectionOptions { Server = $"127.0.0.1:{server.Port}", Password = "wr0ng" }.Open(Environment));
        await Assert.ThrowsAsync<CacheException>(async () => await wrong.GetAsync("a", Cancel));
        Assert.Empty(_log.Containing("wr0ng").Concat(_log.Containing("s3cret")));
    }

    [ServerTest]
    [Fact]
    public async Task A_key_of_another_program_spoils_only_itself()
    {
        var server = await ServerAsync();
        var redis = Cache(server);
        await redis.SetAsync("n", "no number"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
        await Assert.ThrowsAsync<CacheException>(async () => await redis.CountAsync("n", TimeSpan.FromMinutes(5), Cancel));
        Assert.Equal(1, await redis.CountAsync("m", TimeSpan.FromMinutes(5), Cancel));
        Assert.Empty(_log.Lines);
    }

    [ServerTest]
    [Fact]
    public async Task The_auto_whitelist_counts_exactly_in_Redis_and_forgets_after_its_time()
    {
        var redis = Cache(await ServerAsync());
        var list = new CacheAutoWhitelist(redis, "awl-", TimeSpan.FromDays(60));
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 1, Cancel));
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => list.CountAsync("example.com", "192.0.2.7", Cancel).AsTask()));
        Assert.True(await list.HasPassedAsync("example.com", "192.0.2.7", 10, Cancel));
        Assert.False(await list.HasPassedAsync("example.com", "192.0.2.7", 11, Cancel));
        Assert.False(await list.HasPassedAsync("example.org", "192.0.2.7", 1, Cancel));
        var brief = new CacheAutoWhitelist(redis, "brief-", TimeSpan.FromMilliseconds(1));
        await brief.CountAsync("example.com", "192.0.2.7", Cancel);
        await Eventually.Holds("the pair to be forgotten", async () => !await brief.HasPassedAsync("example.com", "192.0.2.7", 1, Cancel));
    }

    [Theory]
    [InlineData("sentinels = [\"127.0.0.1:26379\"]", "must be set together")]
    [InlineData("server = \"x:y:z\"", "not a valid address")]
    [InlineData(
        "sock = \"/xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxxxx-xxxxxxx\"",
        "sock: the path of the socket has 108 bytes")]
    public void Options_that_cannot_work_are_errors_at_the_start(string connection, string part)
    {
        Assert.Null(Plugins.PolicyUnderTest.Build(
            $"policyd {{ connections {{ c {{ module = Redis, {connection} }} }}, virtual_hosts = [ {{ port = 12345, plugins = [] }} ] }}",
            out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(part, StringComparison.Ordinal));
    }

    private ConnectionSetup Environment => new("c", TimeProvider.System, _log.CreateLogger("test"));

    private static async Task<string?> TextAsync(RedisClient cache, string key) =>
        await cache.GetAsync(key, Cancel) is { } value ? Encoding.UTF8.GetString(value) : null;

    private static async Task<bool> WorksAsync(RedisClient cache)
    {
        try
        {
            await cache.GetAsync("a", Cancel);
            return true;
        }
        catch (CacheException)
        {
            return false;
        }
    }

    private async Task<RedisServer> ServerAsync()
    {
        var server = await RedisServer.StartNew();
        _open.Add(server);
        return server;
    }

    private RedisClient Cache(RedisServer server) => Cache(server.Port);

    private RedisClient Cache(int port) => Own(new RedisConnectionOptions { Server = $"127.0.0.1:{port}" }.Open(Environment));

    private RedisClient Own(IAsyncDisposable connection)
    {
        _open.Add(connection);
        return (RedisClient)connection;
    }
}
