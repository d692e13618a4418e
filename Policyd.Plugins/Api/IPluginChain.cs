namespace Policyd.Plugins.Api;

/// <summary>Plugins in their order, as a plugin that has such a chain of its own runs them.</summary>
public interface IPluginChain
{
    /// <summary>The plugins, in the order of work.</summary>
    IReadOnlyList<Plugin> Plugins { get; }

    /// <summary>Runs the chain inside a plugin. Its result becomes the result of that plugin.</summary>
    /// <param name="context">The plugin's context.</param>
    /// <exception cref="Exception">A plugin failed and has no <c>on_error</c>. Let it pass: the server handles it.</exception>
    ValueTask<PluginResult> RunAsync(PluginContext context);
}
