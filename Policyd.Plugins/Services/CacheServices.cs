using Policyd.Plugins.Api;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin gets a cache of its own, in <see cref="Plugin.Initialize"/>.</summary>
public static class CacheServices
{
    /// <summary>
    /// A cache of the plugin's own: in Redis or memcached, where all servers on it share it, or in the memory of this one. Nothing else
    /// has its keys: neither sessions, nor other modules, nor a plugin of another name. Plugins of the same module and name share it, also
    /// in two virtual hosts and after a reload.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The name of the connection: one with <c>module = Redis</c> or <c>Memcached</c>, or of another module whose
    /// connections are an <see cref="Caches.IValueCache"/>. <c>memory</c>, unless a connection is called so, and null are the memory of
    /// this server: at most 100,000 values and 32 MiB, past which what was not used for the longest time goes.</param>
    /// <returns>The cache; null after an error at the option's place, with which the server does not start: there is no such connection, or
    /// it is no cache.</returns>
    public static PluginCache? Cache(this PluginSetup setup, string option, string? connection)
    {
        ArgumentNullException.ThrowIfNull(setup);
        var isMemory = connection is null
            || (connection.Equals(PluginSetup.Memory, StringComparison.OrdinalIgnoreCase) && !setup.Connections.ContainsKey(connection));
        var cache = isMemory
            ? setup.Shared(() => new MemoryCaches(setup.Clock)).Of(PluginCache.NameOf(setup.Plugin))
            : setup.ValueCache(option, connection!);
        return cache is null
            ? null
            : new PluginCache(setup.Plugin, option, isMemory ? PluginSetup.Memory : connection!, cache, setup.Clock);
    }
}
