namespace Policyd.Plugins.Sources;

/// <summary>A task that nobody awaits any more, and that goes on all the same.</summary>
internal static class AbandonedTask
{
    /// <summary>Has its exception looked at when it fails, so that it does not end as an unobserved one.</summary>
    public static void Abandon(this Task task) => _ = task.ContinueWith(
        static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
