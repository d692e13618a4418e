using System.Collections.Concurrent;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Expiring;
using Policyd.Tests.Plugins;

namespace Policyd.Tests.Expiring;

/// <summary>Tickets, traps and the auto-whitelist in connections that the server does not know.</summary>
public sealed class ThirdPartyStoreSpecs
{
    private static readonly ModuleRegistry s_modules = ModuleRegistry.BuiltIn.With([typeof(ShelfOptions), typeof(DrawerOptions)]);

    [Fact]
    public async Task Tickets_and_traps_rest_in_the_connection_of_a_third_party()
    {
        await using var policy = Policy(
            """
            { name = pot, module = Honeypot, recipients = "trap@example.org", store = shelf, connection = other }
            { name = grey, module = Greylist, ticket { module = Shelf, prefix = "t-" }, use_autowl = off, query_autowl = off }
            """);
        Assert.Equal("defer greylisting is active", await policy.AskAsync(("sender", "a@example.com"), ("recipient", "b@example.org")));
        Assert.StartsWith("t-", Assert.Single(ShelfOf(policy, "shelf").Values).Key, StringComparison.Ordinal);
        Assert.Empty(ShelfOf(policy, "other").Values);
        Assert.Equal("reject trapped by honeypod", await policy.AskAsync(("sender", "a@example.com"), ("recipient", "trap@example.org")));
        Assert.Equal("honeypot-pot-192.0.2.7", Assert.Single(ShelfOf(policy, "other").Values).Key);
    }

    [Fact]
    public async Task Auto_whitelist_rests_in_a_cache_of_a_third_party_that_counts()
    {
        await using var policy = Policy(
            "{ name = g, module = Greylist, ticket { module = Drawer, min_retry_wait = 0s }, awl { module = Drawer, prefix = \"w-\" } }");
        await policy.AskAsync(("sender", "a@example.com"), ("recipient", "b@example.org"));
        await policy.AskAsync(("sender", "a@example.com"), ("recipient", "b@example.org"));
        var drawer = policy.Model.ServerConnections.Find<Drawer>("drawer")!;
        Assert.Equal(1, drawer.Counts["w-example.com,192.0.2.7"]);
    }

    [Fact]
    public async Task Replay_leaves_the_connection_as_it_is()
    {
        var replay = new ReplayParts(
            new PretendedStores(TimeProvider.System), new PretendedVerifiers(), new PretendedFail2Ban(), IsOffline: false);
        await using var policy = Policy(
            "{ name = grey, module = Greylist, ticket { module = Shelf }, use_autowl = off, query_autowl = off }", replay);
        Assert.Equal("defer greylisting is active", await policy.AskAsync(("sender", "a@example.com"), ("recipient", "b@example.org")));
        Assert.Equal(
            "defer greylisting is active (300s left)", await policy.AskAsync(("sender", "a@example.com"), ("recipient", "b@example.org")));
        Assert.Empty(ShelfOf(policy, "shelf").Values);
    }

    [Theory]
    [InlineData(
        "{ name = p, module = Honeypot, recipients = x, store = Ldap }",
        "plugin p: store: nothing can be stored in \"Ldap\"; available: Memory, Sql, Drawer, Memcached, Redis, Shelf")]
    [InlineData(
        "{ name = p, module = Honeypot, recipients = x, store = Shelv }",
        "plugin p: store: nothing can be stored in \"Shelv\"; did you mean Shelf?")]
    [InlineData(
        "{ name = p, module = Honeypot, recipients = x, store = Shelf, connection = drawer }",
        "plugin p: store: the connection \"drawer\" has module = Drawer, but this option needs module = Shelf")]
    [InlineData(
        "{ name = p, module = Honeypot, recipients = x, store = Redis }", "plugin p: store: there is no connection \"redis\"")]
    [InlineData(
        "{ name = p, module = Greylist, awl { module = Shelf } }",
        "plugin p: awl: nothing can be stored in \"Shelf\"; available: Sql, Drawer, Redis")]
    public void What_cannot_be_is_told_at_its_place(string plugin, string expected)
    {
        var model = PolicyUnderTest.Build(Configuration(plugin), out var diagnostics, new ModelEnvironment { Modules = s_modules });
        Assert.Null(model);
        Assert.StartsWith(expected, Assert.Single(diagnostics.Errors).Message, StringComparison.Ordinal);
    }

    private static PolicyUnderTest Policy(string plugins, ReplayParts? replay = null) =>
        PolicyUnderTest.Of(Configuration(plugins), new ModelEnvironment { Modules = s_modules, Replay = replay });

    private static string Configuration(string plugins) =>
        $$"""
        policyd {
          connections { shelf { module = Shelf }, other { module = Shelf }, drawer { module = Drawer } }
          virtual_hosts = [ { name = test, port = 12345, plugins = [
        {{plugins}}
          ] } ]
        }
        """;

    private static Shelf ShelfOf(PolicyUnderTest policy, string connection) => policy.Model.ServerConnections.Find<Shelf>(connection)!;

    /// <summary>A connection that keeps values itself.</summary>
    [ConnectionModule("Shelf", typeof(IExpiringStore))]
    public sealed class ShelfOptions : IConnectionModule
    {
        /// <inheritdoc/>
        public string? Check() => null;

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Shelf();
    }

    /// <summary>A connection to a cache that counts.</summary>
    [ConnectionModule("Drawer", typeof(IValueCache), typeof(ICountingCache))]
    public sealed class DrawerOptions : IConnectionModule
    {
        /// <inheritdoc/>
        public string? Check() => null;

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Drawer();
    }

    private sealed class Shelf : IExpiringStore, IAsyncDisposable
    {
        public ConcurrentDictionary<string, long> Values { get; } = new();

        public ValueTask<long?> FindAsync(string key, CancellationToken ct) => new(Values.TryGetValue(key, out var value) ? value : null);

        public ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct)
        {
            Values.TryAdd(key, value);
            return default;
        }

        public ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct)
        {
            Values[key] = value;
            return default;
        }

        public ValueTask RemoveAsync(string key, CancellationToken ct)
        {
            Values.TryRemove(key, out _);
            return default;
        }

        public ValueTask PurgeAsync(CancellationToken ct) => default;

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Drawer : ICountingCache, IAsyncDisposable
    {
        private readonly ConcurrentDictionary<string, byte[]> _values = new();

        public ConcurrentDictionary<string, long> Counts { get; } = new();

        public ValueTask<byte[]?> GetAsync(string key, CancellationToken ct) => new(_values.GetValueOrDefault(key));

        public ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct)
        {
            _values[key] = value.ToArray();
            return default;
        }

        public ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct) =>
            new(_values.TryAdd(key, value.ToArray()));

        public ValueTask<bool> DeleteAsync(string key, CancellationToken ct) => new(_values.TryRemove(key, out _));

        public ValueTask<long> CountAsync(string key, TimeSpan life, CancellationToken ct) =>
            new(Counts.AddOrUpdate(key, 1, static (_, count) => count + 1));

        public ValueTask DisposeAsync() => default;
    }
}
