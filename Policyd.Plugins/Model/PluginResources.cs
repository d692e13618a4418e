using Policyd.Plugins.Connections;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Model;

// What the plugins of all chains of a model share.
internal sealed class PluginResources(ICounters counters, ServerConnections connections, Lazy<IDnsResolver> dns)
{
    public ICounters Counters { get; } = counters;

    public ServerConnections Connections { get; } = connections;

    // Made when the first plugin asks for it: a configuration without lookups needs no server.
    public IDnsResolver Dns => dns.Value;

    public SqlConnections Sql => Connections.Sql;

    public CounterTableSet Tables { get; } = new();
}
