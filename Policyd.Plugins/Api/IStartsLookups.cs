namespace Policyd.Plugins.Api;

/// <summary>
/// A plugin that asks the network and knows what it will ask before its turn comes. Those of a chain start their lookups together, so that
/// the chain waits for the slowest and not for the sum; a nested chain does so when it is run.
/// </summary>
public interface IStartsLookups
{
    /// <summary>
    /// Starts lookups without waiting for them; their answers are found in a cache, as that of <see cref="PluginSetup.Dns"/>, when the
    /// plugin runs. Called before the first plugin of the chain, for every request: start nothing when the plugin is disabled or the
    /// session has its result, and change nothing, for the plugin may never run. What it throws is ignored.
    /// </summary>
    /// <param name="context">The request. Not to be kept beyond the call.</param>
    void StartLookups(PluginContext context);
}
