using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Api;

/// <summary>A tick of the server's scheduler.</summary>
/// <param name="Tasks">The tasks asked for: <c>hourly</c>, <c>daily</c>, <c>weekly</c>, <c>monthly</c>, or any other that an operator
/// runs.</param>
/// <param name="Clock">The clock.</param>
/// <param name="Logger">The log, whose lines name the virtual host and the plugin.</param>
/// <param name="Cancellation">Cancelled when the server stops, and after <c>cron { timeout }</c>.</param>
public sealed record CronContext(IReadOnlySet<string> Tasks, TimeProvider Clock, ILogger Logger, CancellationToken Cancellation)
{
    /// <summary>Whether a task is asked for.</summary>
    /// <param name="task">The task.</param>
    public bool Has(string task) => Tasks.Contains(task);
}
