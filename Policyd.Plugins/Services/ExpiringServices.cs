using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin gets a place for values that go by themselves, in <see cref="Plugin.Initialize"/>.</summary>
public static class ExpiringServices
{
    private const string MemoryModule = "Memory";

    /// <summary>
    /// The store that an option names: <c>Memory</c> is this server's memory; <c>Sql</c> a table of a SQL connection, made when it is first
    /// needed; any other a module of connections that offers an <see cref="IExpiringStore"/> or an <see cref="IValueCache"/>, be it of the
    /// server or of a third party. An error at the option's place when there is no such module, or no connection of it with that name.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the store.</param>
    /// <param name="module">The store; letter case does not matter.</param>
    /// <param name="connection">The name of the connection; of no account for <c>Memory</c>.</param>
    /// <returns>The store, which all plugins share that use it; null after an error, with which the server does not start.</returns>
    public static IExpiringStore? ExpiringStore(this PluginSetup setup, string option, string module, string connection)
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(module);
        var stores = setup.Service<IExpiringStores>();
        if (Is(module, MemoryModule))
        {
            return stores.Memory;
        }

        if (Is(module, PluginSetup.SqlModule))
        {
            return setup.OwnTable(option, connection, stores.Table) is { } database ? stores.InDatabase(database) : null;
        }

        if (!setup.IsOffered(option, module, [MemoryModule, PluginSetup.SqlModule], typeof(IExpiringStore), typeof(IValueCache)))
        {
            return null;
        }

        switch (setup.Connection<object>(option, connection, module))
        {
            case IExpiringStore store:
                return stores.InConnection(store);
            case IValueCache cache:
                return stores.InCache(cache);
            case { } other:
                setup.Error(
                    option, $"the connection \"{connection}\" keeps no values: its {other.GetType().Name} is not what {module} offers");
                return null;
            default:
                return null;
        }
    }

    /// <summary>
    /// Greylisting's auto-whitelist: <c>Sql</c> is a table of a SQL connection, mtpolicyd's or one that is made when it is first needed;
    /// any other a module of connections that offers an <see cref="ICountingCache"/>. Errors as of <see cref="ExpiringStore"/>.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names it.</param>
    /// <param name="place">Where it is.</param>
    /// <param name="expiry">How long after its last mail a pair is forgotten.</param>
    /// <returns>The whitelist; null after an error, with which the server does not start.</returns>
    public static IAutoWhitelist? AutoWhitelist(this PluginSetup setup, string option, AutoWhitelistPlace place, TimeSpan expiry)
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(place);
        var stores = setup.Service<IExpiringStores>();
        if (Is(place.Module, PluginSetup.SqlModule))
        {
            return setup.OwnTable(option, place.Connection, place.Table) is { } database
                ? stores.WhitelistInDatabase(database, place.Table, expiry)
                : null;
        }

        return setup.IsOffered(option, place.Module, [PluginSetup.SqlModule], typeof(ICountingCache))
            && setup.Connection<ICountingCache>(option, place.Connection, place.Module) is { } cache
                ? stores.WhitelistInCache(cache, place.Prefix, expiry)
                : null;
    }

    private static bool Is(string module, string name) => module.Equals(name, StringComparison.OrdinalIgnoreCase);
}
