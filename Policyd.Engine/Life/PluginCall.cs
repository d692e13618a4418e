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

    /// <summary>Nobody awaits it any more; its exception is looked at so that it does not end as an unobserved one.</summary>
    public static void GiveUp(Task task) => _ = task.ContinueWith(
        static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
