using Policyd.Plugins.Caches;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Expiring;

/// <summary>The places where values with a life time can rest.</summary>
internal interface IExpiringStores
{
    /// <summary>
    /// In this server's memory: one for all plugins, so that a mail's first Greylist finds the ticket that its second one made.
    /// </summary>
    IExpiringStore Memory { get; }

    /// <summary>The table of <see cref="InDatabase"/>.</summary>
    string Table { get; }

    /// <summary>In a table of a database, which is made when it is first needed.</summary>
    IExpiringStore InDatabase(ISqlDatabase database);

    /// <summary>In a cache server, such as memcached or Redis.</summary>
    IExpiringStore InCache(IValueCache cache);

    /// <summary>In what a connection offers itself.</summary>
    IExpiringStore InConnection(IExpiringStore store);

    /// <summary>Greylisting's auto-whitelist in a table of a database, which is made when it is first needed.</summary>
    IAutoWhitelist WhitelistInDatabase(ISqlDatabase database, string table, TimeSpan expiry);

    /// <summary>Greylisting's auto-whitelist in a cache that counts.</summary>
    IAutoWhitelist WhitelistInCache(ICountingCache cache, string prefix, TimeSpan expiry);
}
