using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Testing;

/// <summary>The store of <c>setup.ExpiringStore</c> in memory, one for all places that options may name. Its time is the test's.</summary>
public sealed class FakeExpiringStore : IExpiringStore, IExpiringStores
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long Value, DateTimeOffset Until)> _values = new(StringComparer.Ordinal);

    /// <summary>Whether every call fails with a <see cref="CacheException"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>The keys whose time has not run out, in their order.</summary>
    public IReadOnlyList<string> Keys
    {
        get
        {
            lock (_lock)
            {
                return [.. _values.Where(one => one.Value.Until > Now).Select(static one => one.Key).Order(StringComparer.Ordinal)];
            }
        }
    }

    internal TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <inheritdoc/>
    IExpiringStore IExpiringStores.Memory => this;

    /// <inheritdoc/>
    string IExpiringStores.Table => "policyd_expiring";

    private DateTimeOffset Now => Clock.GetUtcNow();

    /// <inheritdoc/>
    public ValueTask<long?> FindAsync(string key, CancellationToken ct) => Done(() => ValueOf(key));

    /// <inheritdoc/>
    public async ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        await Done(() => ValueOf(key) ?? Set(key, value, life)).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        await Done(() => Set(key, value, life)).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask RemoveAsync(string key, CancellationToken ct) =>
        await Done(() => _values.Remove(key)).ConfigureAwait(false);

    /// <inheritdoc/>
    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    IExpiringStore IExpiringStores.InDatabase(ISqlDatabase database) => this;

    /// <inheritdoc/>
    IExpiringStore IExpiringStores.InCache(IValueCache cache) => this;

    /// <inheritdoc/>
    IExpiringStore IExpiringStores.InConnection(IExpiringStore store) => this;

    /// <inheritdoc/>
    IAutoWhitelist IExpiringStores.WhitelistInDatabase(ISqlDatabase database, string table, TimeSpan expiry) =>
        new Whitelist(this, expiry);

    /// <inheritdoc/>
    IAutoWhitelist IExpiringStores.WhitelistInCache(ICountingCache cache, string prefix, TimeSpan expiry) => new Whitelist(this, expiry);

    private ValueTask<T> Done<T>(Func<T> act)
    {
        if (IsAway)
        {
            return ValueTask.FromException<T>(new CacheException("the test's store is away"));
        }

        lock (_lock)
        {
            return new ValueTask<T>(act());
        }
    }

    private long? ValueOf(string key) => _values.TryGetValue(key, out var found) && found.Until > Now ? found.Value : null;

    private long Set(string key, long value, TimeSpan life)
    {
        _values[key] = (value, Now + life);
        return value;
    }

    private sealed class Whitelist(FakeExpiringStore store, TimeSpan expiry) : IAutoWhitelist
    {
        public async ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct) =>
            await store.FindAsync(Key(domain, client), ct).ConfigureAwait(false) >= threshold;

        public async ValueTask CountAsync(string domain, string client, CancellationToken ct)
        {
            var before = await store.FindAsync(Key(domain, client), ct).ConfigureAwait(false) ?? 0;
            await store.SetAsync(Key(domain, client), before + 1, expiry, ct).ConfigureAwait(false);
        }

        public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

        private static string Key(string domain, string client) => $"awl-{domain},{client}";
    }
}
