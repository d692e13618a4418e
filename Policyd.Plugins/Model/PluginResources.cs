using Policyd.Plugins.Connections;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.DnsLists;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Model;

// What the plugins of all chains of a model share.
internal sealed class PluginResources(ICounters counters, ServerConnections connections, Lazy<IDnsResolver> dns, TimeProvider clock)
{
    public ICounters Counters { get; } = counters;

    public ServerConnections Connections { get; } = connections;

    // Made when the first plugin asks for it: a configuration without lookups needs no server.
    public IDnsResolver Dns => dns.Value;

    public SqlConnections Sql => Connections.Sql;

    // One for all plugins: a mail's first Greylist looks for the ticket that its second one made.
    public MemoryExpiringStore Memory { get; } = new(clock);

    // One for all plugins: a list that refuses is told of once, however many ask it.
    public ListRefusals Refusals { get; } = connections.Own(new ListRefusals(clock));

    public CounterTableSet Tables { get; } = new();

    public ResultReferences Results { get; } = new();

    // In the order of the file: a plugin before those nested in it.
    public List<PlacedPlugin> Placed { get; } = [];

    // The connections that somebody has asked for.
    public HashSet<string> UsedConnections { get; } = new(StringComparer.Ordinal);

    public List<ConfiguredStatement> Statements { get; } = [];

    // The tables that a server makes for itself when it first needs them, besides those of counters.
    public HashSet<(string Connection, string Table)> OwnTables { get; } = [];
}
