namespace Policyd.Modules;

/// <summary>Which connection a store is in: its kinds that mtpolicyd has, too, have options of their own for it.</summary>
internal static class StoreConnection
{
    /// <summary>The name of the connection.</summary>
    public static string Of(string store, string db, string? memcached, string redis, string? other) => store.ToUpperInvariant() switch
    {
        "SQL" => db,
        "MEMCACHED" when memcached is not null => memcached,
        "REDIS" => redis,
        _ => other ?? store.ToLowerInvariant(),
    };
}
