namespace Policyd.Plugins.Api;

/// <summary>
/// A plugin that asks the owners of counters for itself and for those of its kind that stand right behind it in the chain, so that they
/// cost one round trip. Each still decides in its own turn. What was asked is found in <see cref="PluginContext.AskedAhead"/>.
/// </summary>
public interface IAsksForFollowers
{
    /// <summary>Called once, when the chain is made.</summary>
    /// <param name="followers">The plugins of this kind right behind it, in their order.</param>
    void Precede(IReadOnlyList<Plugin> followers);
}
