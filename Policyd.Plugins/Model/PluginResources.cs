using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Model;

// What the plugins of all chains of a model share.
internal sealed class PluginResources(ICounters counters)
{
    public ICounters Counters { get; } = counters;

    public CounterTableSet Tables { get; } = new();
}
