using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Model;

// What the plugins of all chains of a model share.
internal sealed class PluginResources(ICounters counters, SqlConnections sql)
{
    public ICounters Counters { get; } = counters;

    public SqlConnections Sql { get; } = sql;

    public CounterTableSet Tables { get; } = new();
}
