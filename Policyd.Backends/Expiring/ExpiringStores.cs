using Policyd.Backends.Sql;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Expiring;

/// <summary>The expiring stores of this server.</summary>
internal sealed class ExpiringStores(TimeProvider clock) : IExpiringStores
{
    public IExpiringStore Memory { get; } = new MemoryExpiringStore(clock);

    public string Table => SqlExpiringStore.Table;

    public IExpiringStore InDatabase(ISqlDatabase database) => new SqlExpiringStore((SqlDatabase)database, clock);

    public IExpiringStore InCache(IValueCache cache) => new CacheExpiringStore(cache);

    public IExpiringStore InConnection(IExpiringStore store) => store;

    public IAutoWhitelist WhitelistInDatabase(ISqlDatabase database, string table, TimeSpan expiry) =>
        new SqlAutoWhitelist((SqlDatabase)database, table, expiry, clock);

    public IAutoWhitelist WhitelistInCache(ICountingCache cache, string prefix, TimeSpan expiry) =>
        new CacheAutoWhitelist(cache, prefix, expiry);
}
