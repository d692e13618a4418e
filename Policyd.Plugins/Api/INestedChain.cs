using Policyd.Configuration.Options;

namespace Policyd.Plugins.Api;

/// <summary>A plugin whose section may hold a chain of its own under <c>plugins</c>.</summary>
public interface INestedChain
{
    /// <summary>The chain; null when the section has none. Set before <see cref="Plugin.Initialize"/>.</summary>
    [NotAnOption]
    IPluginChain? Plugins { get; set; }

    /// <summary>
    /// Whether the actions of the chain are texts for the plugin's own use, which never go to Postfix and need not fit its grammar.
    /// </summary>
    [NotAnOption]
    bool KeepsActions => false;
}
