using Policyd.Plugins.Connections;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Model;

// What the plugins of all chains of a model share.
internal sealed class PluginResources(ICounters counters, ServerConnections connections)
{
    public ICounters Counters { get; } = counters;

    public ServerConnections Connections { get; } = connections;

    public SqlConnections Sql => Connections.Sql;

    public CounterTableSet Tables { get; } = new();
}
