using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Services;
using Policyd.Plugins.Testing;
using Policyd.Tests.Actors;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>A third party's plugin and its cache: in memory, in Redis, in memcached, and while those are away.</summary>
public sealed class CacheServicesSpecs
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);

    private static readonly ModelEnvironment s_environment = new()
    {
        Modules = ModuleRegistry.BuiltIn.With([typeof(CachesPlugin)]),
    };

    [Fact]
    public async Task A_value_comes_back_as_it_was_until_its_time_is_over()
    {
        var clock = new SetClock();
        var test = PluginTest.For<CachesPlugin>(clock: clock);
        await DoAsync(test, static async (cache, context) =>
        {
            Assert.Null(await cache.GetAsync<string>(context, "text"));
            Assert.Null(await cache.GetAsync<int?>(context, "number"));
            await cache.SetAsync(context, "text", "ä \"x\"\r\n", s_minute);
            await cache.SetAsync(context, "number", 0, s_minute);
            await cache.SetAsync(context, "tuple", (1, "b", double.NaN), s_minute);
            await cache.SetAsync(context, "list", new List<string> { "a", "b" }, s_minute);
            return "";
        });
        await DoAsync(test, static async (cache, context) =>
        {
            Assert.Equal("ä \"x\"\r\n", await cache.GetAsync<string>(context, "text"));
            Assert.Equal(0, await cache.GetAsync<int?>(context, "number"));
            Assert.Equal((1, "b", double.NaN), await cache.GetAsync<(int, string, double)>(context, "tuple"));
            Assert.Equal(["a", "b"], (await cache.GetAsync<List<string>>(context, "list"))!);

            // A former version of the plugin had it as something else.
            Assert.Null(await cache.GetAsync<int?>(context, "text"));
            Assert.False(await cache.AddAsync(context, "number", 1, s_minute));
            await cache.RemoveAsync(context, "number");
            Assert.True(await cache.AddAsync(context, "number", 1, s_minute));
            var lost = await Assert.ThrowsAsync<InvalidOperationException>(
                () => cache.SetAsync(context, "object", new object(), s_minute).AsTask());
            Assert.StartsWith("the cache cannot store Object under \"object\"", lost.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => cache.SetAsync(context, "a", 1, TimeSpan.Zero).AsTask());
            return "";
        });
        clock.Now += s_minute;
        await DoAsync(test, static async (cache, context) =>
        {
            Assert.Null(await cache.GetAsync<string>(context, "text"));
            Assert.Null(await cache.GetAsync<int?>(context, "number"));
            return "";
        });
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("redis")]
    public async Task Requests_of_one_moment_wait_for_one_computation_and_later_ones_find_it(string cache)
    {
        var test = PluginTest.For<CachesPlugin>($"cache = {cache}");
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var computed = 0;
        test.Plugin.Script = async (own, context) => await own.GetOrAddAsync(context, "key", s_minute, async _ =>
        {
            await gate.Task;
            return $"{Interlocked.Increment(ref computed)}";
        });
        var mails = Enumerable.Range(0, 50).Select(mail => test.RunAsync(("instance", $"m.{mail}"))).ToList();
        gate.SetResult();
        Assert.All(await Eventually.Ends("all mails", Task.WhenAll(mails)), static one => Assert.Equal("reject 1", one.Action));
        var later = await test.RunAsync(("instance", "later"));
        Assert.Equal("reject 1", later.Action);
        Assert.Equal(new PluginNote("cache", "key", cache, "found"), Assert.Single(later.Notes));
    }

    [Fact]
    public async Task What_fails_is_not_kept_and_null_is()
    {
        var test = PluginTest.For<CachesPlugin>();
        test.Plugin.Script = static async (cache, context) => await cache.GetOrAddAsync<string>(
            context, "key", s_minute, static _ => throw new IOException("no answer"));
        await Assert.ThrowsAsync<IOException>(() => test.RunAsync());
        var computed = 0;
        for (var mail = 0; mail < 2; mail++)
        {
            await DoAsync(test, async (cache, context) => await cache.GetOrAddAsync(context, "key", s_minute, _ =>
            {
                computed++;
                return new ValueTask<string?>((string?)null);
            }) ?? "null");
        }

        Assert.Equal(1, computed);
    }

    [Fact]
    public async Task Without_its_cache_a_lookup_goes_on_and_other_calls_say_so()
    {
        var test = PluginTest.For<CachesPlugin>("cache = redis");
        test.Fakes.Cache.IsAway = true;
        test.Plugin.Script = static async (cache, context) =>
        {
            await Assert.ThrowsAsync<CacheException>(() => cache.GetAsync<string>(context, "a").AsTask());
            await Assert.ThrowsAsync<CacheException>(() => cache.SetAsync(context, "a", "1", s_minute).AsTask());
            return await cache.GetOrAddAsync(context, "a", s_minute, static _ => new ValueTask<string>("computed"));
        };
        var outcome = await test.RunAsync();
        Assert.Equal("reject computed", outcome.Action);
        Assert.Contains(new PluginNote("cache", "a", "redis", "the cache is away, so computed"), outcome.Notes);
        Assert.Equal(0, test.Fakes.Cache.Count);
    }

    [Fact]
    public async Task A_rehearsal_sets_and_removes_nothing()
    {
        var test = PluginTest.For<CachesPlugin>("cache = redis");
        await DoAsync(test, static async (cache, context) =>
        {
            await cache.SetAsync(context, "there", 1, s_minute);
            return "";
        });
        test.Plugin.Script = static async (cache, context) =>
        {
            await cache.SetAsync(context, "a", 1, s_minute);
            await cache.RemoveAsync(context, "there");
            return $"{await cache.AddAsync(context, "b", 1, s_minute)} {await cache.AddAsync(context, "there", 1, s_minute)}";
        };
        var outcome = await test.RehearseAsync();
        Assert.Equal("reject True False", outcome.Action);
        Assert.Equal(
            [
                "set a in the cache redis", "removed there from the cache redis", "added b to the cache redis",
                "added there to the cache redis",
            ],
            outcome.WouldHave);
        Assert.Equal(1, test.Fakes.Cache.Count);
    }

    [Theory]
    [InlineData("reddis", "cache: there is no connection \"reddis\"; did you mean redis?; memory is this server's memory")]
    [InlineData("db", "cache: the connection \"db\" has module = Sql, but this option needs a cache, such as module = Redis")]
    [InlineData("ldap", "cache: the connection \"ldap\" has module = Ldap, but this option needs a cache, such as module = Redis")]
    public void What_is_no_cache_is_an_error_at_its_place(string connection, string expected)
    {
        Assert.Null(PolicyUnderTest.Build(
            $$"""
            policyd {
              connections { redis { module = Redis }, db { module = Sql, dsn = "dbi:SQLite:dbname=x.db" }, ldap { module = Ldap } }
              virtual_hosts = [ { name = t, port = 12345, plugins = [
                { name = p, module = Caches,
                  cache = {{connection}} }
              ] } ]
            }
            """,
            out var diagnostics,
            s_environment));
        var error = Assert.Single(diagnostics.All, static one => one.Severity == Severity.Error);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal((5, 15), (error.Position.Line, error.Position.Column));
    }

    [Fact]
    public void An_error_in_the_caches_own_options_is_the_only_one()
    {
        Assert.Null(PolicyUnderTest.Build(
            """
            policyd { connections { redis { module = Redis, db = many } }
              virtual_hosts = [ { name = t, port = 12345, plugins = [ { name = p, module = Caches, cache = redis } ] } ] }
            """,
            out var diagnostics,
            s_environment));
        Assert.Single(diagnostics.All, static one => one.Severity == Severity.Error);
    }

    [Fact]
    public async Task Plugins_of_other_names_have_other_keys_and_a_reload_goes_on_with_those_in_memory()
    {
        static string Configuration(string more) => $$"""
            policyd { virtual_hosts = [
              { name = t, port = 12345, plugins = [ { name = "a:b", module = Caches{{more}} }, { name = b, module = Caches } ] }
              { name = u, port = 12346, plugins = [ { name = "a:b", module = caches } ] }
            ] }
            """;
        var before = PolicyUnderTest.Build(Configuration(""), out _, s_environment)!;
        await using var connections = before.ServerConnections;
        await SetAsync(before, 0, 0, "b:key", "one");
        await SetAsync(before, 0, 1, "key", "two");
        Assert.Equal(("one", "two"), (await FindAsync(before, 0, 0, "b:key"), await FindAsync(before, 0, 1, "key")));
        Assert.Equal("one", await FindAsync(before, 1, 0, "b:key"));
        Assert.Null(await FindAsync(before, 0, 1, "b:key"));
        var after = PolicyUnderTest.Build(Configuration(", log_level = 2"), out _, s_environment with { Former = before })!;
        Assert.NotSame(Plugin(before, 0, 0), Plugin(after, 0, 0));
        Assert.Equal("one", await FindAsync(after, 0, 0, "b:key"));
    }

    [Fact]
    public async Task A_replay_leaves_the_caches_of_the_server_alone()
    {
        var model = PolicyUnderTest.Build(
            $$"""
            policyd { connections { redis { module = Redis, server = "127.0.0.1:{{FreePort.Next()}}" } }
              virtual_hosts = [ { name = t, port = 12345, plugins = [ { name = p, module = Caches, cache = redis } ] } ] }
            """,
            out _,
            ReplayEnvironment.Create(new ReplayClock(), NullLoggerFactory.Instance, new FakeCounters(), isOffline: false) with
            {
                Modules = s_environment.Modules,
            })!;
        await using var connections = model.ServerConnections;
        await SetAsync(model, 0, 0, "a", "kept");
        Assert.Equal("kept", await FindAsync(model, 0, 0, "a"));
    }

    [ServerTest]
    [Fact]
    public async Task Keys_in_memcached_are_the_plugins_own_whatever_strangers_write()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await using var policy = PolicyUnderTest.Of(
            $$"""
            policyd {
              connections { mc { module = Memcached, servers = "127.0.0.1:{{memcached.Port}}", timeout = 30s, connect_timeout = 30s } }
              virtual_hosts = [ { name = test, port = 12345, plugins = [ { name = p, module = Caches, cache = mc } ] } ]
            }
            """,
            s_environment);
        string[] odd = ["a b", "a\r\nflush_all\r\n", "\u00e4\u2028", new string('k', 5000), "", "\0", "sha256:ab", "policyd-session:1"];
        ((CachesPlugin)policy.Model.VirtualHosts[0].Chain.Plugins[0]).Script = async (cache, context) =>
        {
            foreach (var key in odd)
            {
                Assert.True(await cache.AddAsync(context, key, key.Length, TimeSpan.FromDays(400)));
            }

            foreach (var key in odd)
            {
                Assert.Equal(key.Length, await cache.GetAsync<int?>(context, key));
                await cache.RemoveAsync(context, key);
                Assert.Null(await cache.GetAsync<int?>(context, key));
            }

            return "all";
        };
        Assert.Equal("reject all", await policy.AskAsync());
    }

    [ServerTest]
    [Fact]
    public async Task Lookups_go_on_while_redis_is_frozen_and_killed_and_are_found_when_it_is_back()
    {
        await using var redis = await RedisServer.StartNew();
        await using var server = await ServerUnderTest.StartAsync(
            $$"""
            policyd { listen = ["127.0.0.1:0"]
              connections { redis { module = Redis, server = "127.0.0.1:{{redis.Port}}" } }
              virtual_hosts = [ { name = t, port = "127.0.0.1:0", plugins = [
                { name = p, module = Caches, cache = redis, timeout = 4s, on_error = "reject failed" } ] } ] }
            """,
            modules: [typeof(CachesPlugin)]);
        var computed = 0;
        var plugin = (CachesPlugin)server.Handle.Model.VirtualHosts[0].Chain.Plugins[0];
        plugin.Script = async (cache, context) => await cache.GetOrAddAsync(
            context,
            context.Request.Recipient,
            TimeSpan.FromHours(1),
            _ => new ValueTask<string>($"{Interlocked.Increment(ref computed)}"));
        await Eventually.Holds("a value that is kept", async () =>
            await server.AskAsync("m.1", "a@example.org") == await server.AskAsync("m.2", "a@example.org"));
        var kept = await server.AskAsync("m.3", "a@example.org");

        // Nobody notices at once: the first mail waits a quarter of its time.
        await redis.Freeze();
        Assert.NotEqual(kept, await server.AskAsync("m.4", "a@example.org"));
        await Eventually.Holds("a line that Redis is away", () => server.Log.Containing("connection redis: redis 127.0.0.1:").Any());
        await redis.Thaw();
        await Eventually.Holds("the value again", async () => await server.AskAsync("m.5", "a@example.org") == kept);

        await redis.Kill();
        Assert.NotEqual("reject failed", await server.AskAsync("m.6", "b@example.org"));
        plugin.Script = static async (cache, context) => await cache.GetAsync<string>(context, "b") ?? "none";
        Assert.Equal("reject failed", await server.AskAsync("m.7"));
        await redis.Start();
        await Eventually.Holds("an answer of Redis", async () => await server.AskAsync("m.8") == "reject none");
    }

    private static async Task DoAsync(PluginTest<CachesPlugin> test, Func<PluginCache, PluginContext, ValueTask<string>> script)
    {
        test.Plugin.Script = script;
        await test.RunAsync();
    }

    private static CachesPlugin Plugin(PolicyServerModel model, int host, int plugin) =>
        (CachesPlugin)model.VirtualHosts[host].Chain.Plugins[plugin];

    private static async Task SetAsync(PolicyServerModel model, int host, int plugin, string key, string value) =>
        await RunAsync(model, host, plugin, async (cache, context) =>
        {
            await cache.SetAsync(context, key, value, s_minute);
            return "done";
        });

    private static async Task<string?> FindAsync(PolicyServerModel model, int host, int plugin, string key)
    {
        string? found = null;
        await RunAsync(model, host, plugin, async (cache, context) =>
        {
            found = await cache.GetAsync<string>(context, key);
            return "done";
        });
        return found;
    }

    // Only the plugin that is meant: each of them ends its chain.
    private static async Task RunAsync(
        PolicyServerModel model, int host, int plugin, Func<PluginCache, PluginContext, ValueTask<string>> script)
    {
        var target = Plugin(model, host, plugin);
        target.Script = script;
        var request = Policyd.Protocol.PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
        var chain = new Policyd.Engine.Chain.PluginChain([target]);
        var alone = new Policyd.Engine.Chain.VirtualHost("alone", chain, model.Chains, observes: false);
        Assert.Equal("reject done", (await alone.RunAsync(request, new(), Eventually.Timeout)).Action);
    }
}
