using Policyd.Plugins.Api;

namespace Policyd.Engine.Life;

/// <summary>
/// Runs a part of a plugin's life on a thread of its own: code that blocks its thread, and never returns, is given up like code that waits.
/// </summary>
internal static class PluginCall
{
    public static Task Begin(Func<ValueTask> call) => Task.Factory.StartNew(
        () => call().AsTask(),
        CancellationToken.None,
        TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
        TaskScheduler.Default).Unwrap();

    /// <summary>Whether the plugin's class has such a method itself: most have not, and need no thread.</summary>
    public static bool Overrides(Plugin plugin, string method) =>
        plugin.GetType().GetMethod(method)!.DeclaringType != typeof(Plugin);
}
