using System.Text;
using Policyd.Backends.Expiring;
using Policyd.Backends.Memcached;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sessions;
using Policyd.Tests.Actors;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Memcached;

/// <summary>The client, the sessions and the tickets against the real memcached.</summary>
public sealed class MemcachedSpecs
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [ServerTest]
    [Fact]
    public async Task Values_are_set_added_found_and_forgotten()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var client = Client(memcached.Port);
        Assert.Null(await client.GetAsync("a", Cancel));
        Assert.True(await client.AddAsync("a", "1"u8.ToArray(), TimeSpan.FromDays(90), Cancel));
        Assert.False(await client.AddAsync("a", "2"u8.ToArray(), TimeSpan.FromMinutes(1), Cancel));
        Assert.Equal("1", Text(await client.GetAsync("a", Cancel)));
        var large = Enumerable.Range(0, 900_000).Select(number => (byte)number).ToArray();
        await client.SetAsync("a", large, TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal(large, await client.GetAsync("a", Cancel));
        Assert.True(await client.DeleteAsync("a", Cancel));
        Assert.False(await client.DeleteAsync("a", Cancel));
        await client.SetAsync("strange\r\nkey ä", Array.Empty<byte>(), TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal("", Text(await client.GetAsync("strange\r\nkey ä", Cancel)));
        await Assert.ThrowsAsync<CacheException>(
            () => client.SetAsync("a", new byte[MemcachedWire.MaxValueBytes + 1], TimeSpan.FromMinutes(1), Cancel).AsTask());
        Assert.Null(await client.GetAsync("a", Cancel));
    }

    [ServerTest]
    [Fact]
    public async Task Callers_at_once_each_get_their_own()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var client = Client(memcached.Port);
        await Eventually.Ends("all callers", Task.WhenAll(Enumerable.Range(0, 500).Select(async number =>
        {
            var value = Encoding.ASCII.GetBytes(new string('x', number) + number);
            await client.SetAsync($"k{number}", value, TimeSpan.FromMinutes(1), Cancel);
            Assert.Equal(value, await client.GetAsync($"k{number}", Cancel));
            return number;
        })));
    }

    [ServerTest]
    [Fact]
    public async Task Tickets_are_added_once_and_go_by_themselves()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var client = Client(memcached.Port);
        var store = new CacheExpiringStore(client);
        Assert.Null(await store.FindAsync("a", Cancel));
        await store.AddAsync("a", 5, TimeSpan.FromMinutes(1), Cancel);
        await store.AddAsync("a", 6, TimeSpan.FromHours(1), Cancel);
        Assert.Equal(5, await store.FindAsync("a", Cancel));
        await store.RemoveAsync("a", Cancel);
        Assert.Null(await store.FindAsync("a", Cancel));
        await store.AddAsync("b", 1, TimeSpan.FromSeconds(1), Cancel);
        await Eventually.Holds("the ticket to go", async () => await store.FindAsync("b", Cancel) is null);
    }

    [ServerTest]
    [Fact]
    public async Task A_session_without_values_is_not_stored_unless_it_replaces_one()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var client = Client(memcached.Port);
        var store = new CacheSessionStore(client, TimeSpan.FromMinutes(5));
        await store.StoreAsync("m", new Session(), Cancel);
        Assert.Null(await client.GetAsync("policyd-session:m", Cancel));
        var session = new Session { ["a"] = "b" };
        session.Set("n", 2.5);
        await store.StoreAsync("m", session, Cancel);
        Assert.Equal("{\"a\":\"b\",\"n\":2.5}", Text(await client.GetAsync("policyd-session:m", Cancel)));
        var loaded = (await store.LoadAsync("m", Cancel))!.Detach();
        Assert.Equal(("b", "2.5"), (loaded["a"], loaded["n"]));
        loaded.Clear();
        await store.StoreAsync("m", loaded, Cancel);
        Assert.Equal(0, (await store.LoadAsync("m", Cancel))!.Count);
    }

    [ServerTest]
    [Fact]
    public async Task A_session_is_seen_by_another_server_and_mail_goes_on_while_memcached_is_killed_and_started()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var one = await ServerAsync(memcached.Port);
        await using var two = await ServerAsync(memcached.Port);
        Assert.Equal("reject 1", await one.AskAsync("mail"));
        Assert.Equal("reject 2", await two.AskAsync("mail"));
        Assert.Equal("reject 3", await one.AskAsync("mail"));

        using var stop = new CancellationTokenSource();
        var number = 0;
        var askers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                Assert.Equal("reject 1", await one.AskAsync($"load-{Interlocked.Increment(ref number)}"));
                await Task.Delay(2);
            }

            return true;
        })).ToList();
        await memcached.Kill();
        await Eventually.Holds(
            "a line that memcached is away",
            () => one.Log.Containing("connection memcached: memcached 127.0.0.1:").Any() && one.Log.Containing("a session was not").Any());
        await memcached.Start();
        await Eventually.Holds("memcached again", () => one.Log.Containing("answers again").Any());
        await stop.CancelAsync();
        await Eventually.Ends("the askers", Task.WhenAll(askers));
        Assert.Equal("reject 1", await one.AskAsync("after"));
        Assert.Equal("reject 2", await one.AskAsync("after"));
    }

    [ServerTest]
    [Fact]
    public async Task Greylist_and_honeypot_keep_theirs_in_memcached_and_let_mail_go_on_without_it()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var policy = PolicyUnderTest.Of($$"""
            policyd { connections { memcached { module = Memcached, servers = "127.0.0.1:{{memcached.Port}}", timeout = 30s, connect_timeout = 30s } }, virtual_hosts = [ { name = test, port = 12345, plugins = [
              { name = pot, module = Honeypot, store = Memcached, recipients = "trap@example.org" }
              { name = grey, module = Greylist, use_autowl = off, query_autowl = off, ticket { module = Memcached } } ] } ] }
            """);
        Assert.Equal("defer greylisting is active", await AskAsync(policy, "192.0.2.7", "b@example.org"));
        Assert.StartsWith("defer greylisting is active (", await AskAsync(policy, "192.0.2.7", "b@example.org"), StringComparison.Ordinal);
        Assert.Equal("reject trapped by honeypod", await AskAsync(policy, "192.0.2.8", "trap@example.org"));
        Assert.Equal("reject trapped by honeypod", await AskAsync(policy, "192.0.2.8", "b@example.org"));
        await memcached.Kill();
        Assert.Equal("dunno", await AskAsync(policy, "192.0.2.7", "b@example.org"));
        Assert.Equal("reject trapped by honeypod", await AskAsync(policy, "192.0.2.9", "trap@example.org"));
    }

    [ServerTest]
    [Fact]
    public async Task Greylist_remembers_in_memcached_for_longer_than_the_thirty_days_that_are_a_span_there()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var policy = PolicyUnderTest.Of($$"""
            policyd { connections { memcached { module = Memcached, servers = "127.0.0.1:{{memcached.Port}}", timeout = 30s, connect_timeout = 30s } }, virtual_hosts = [ { name = test, port = 12345, plugins = [
              { name = grey, module = Greylist, use_autowl = off, query_autowl = off, remember = 35d, ticket { module = Memcached, min_retry_wait = 0 } } ] } ] }
            """);
        Assert.Equal("defer greylisting is active", await AskAsync(policy, "192.0.2.7", "b@example.org"));
        Assert.Equal("dunno", await AskAsync(policy, "192.0.2.7", "b@example.org"));
        Assert.Equal("dunno", await AskAsync(policy, "192.0.2.7", "b@example.org"));
        Assert.Equal("dunno", await AskAsync(policy, "192.0.2.7", "b@example.org"));
    }

    [Theory]
    [InlineData("connections { }, session_cache { module = Memcached }", "no connection \"memcached\" with module = Memcached")]
    [InlineData("connections { memcached { module = Memcached, servers = \"a:b\" } }", "has no port")]
    [InlineData("connections { memcached { module = Memcached, servers = \"a:1,a:1\" } }", "is listed twice")]
    [InlineData("connections { memcached { module = Memcached, timeout = 0 } }", "timeout must be more than 0")]
    public void A_mistake_is_an_error(string section, string part)
    {
        Assert.Null(
            PolicyUnderTest.Build($"policyd {{ {section}, virtual_hosts = [ {{ port = 12345, plugins = [] }} ] }}", out var diagnostics));
        Assert.Contains(diagnostics.All, one => one.Message.Contains(part, StringComparison.Ordinal));
    }

    private static Task<string?> AskAsync(PolicyUnderTest policy, string client, string recipient)
    {
        policy.NewMail();
        return policy.AskAsync(("client_address", client), ("sender", "a@example.com"), ("recipient", recipient));
    }

    private static Task<ServerUnderTest> ServerAsync(int port) => ServerUnderTest.RunningAsync(
        static context =>
        {
            var count = context.Session.TryGet<int>("count", out var value) ? value + 1 : 1;
            context.Session.Set("count", count);
            return ServerUnderTest.Answer($"reject {count}");
        },
        $"connections {{ memcached {{ module = Memcached, servers = \"127.0.0.1:{port}\", timeout = 30s, connect_timeout = 30s }} }}, "
            + $"session_cache {{ module = Memcached, lock_wait = 50, lock_max_retry = 50, lock_timeout = 10 }}, ");

    private static string? Text(byte[]? value) => value is null ? null : Encoding.UTF8.GetString(value);

    private static MemcachedClient Client(int port)
    {
        var options = new MemcachedConnectionOptions
        {
            Servers = [$"127.0.0.1:{port}"],
            Timeout = Eventually.Timeout,
            ConnectTimeout = Eventually.Timeout,
        };
        Assert.Null(options.Check());
        return new MemcachedClient(options, new ConnectionSetup("memcached", TimeProvider.System, new LogCapture().CreateLogger("")));
    }
}
