namespace Policyd.Actors.Cron;

/// <summary>
/// Marks what may cross from one node to another or rest in the ledger; <see cref="CronSerializer"/> knows each by a short manifest.
/// </summary>
public interface ICronMessage;

/// <summary>What the cron scheduler is asked, and what it answers. docs/cron.md tells the states and failures.</summary>
public static class CronProtocol
{
    /// <summary>Answered with <see cref="TaskList"/>.</summary>
    public sealed record ListTasks : ICronMessage;

    /// <summary>The tasks in the order of the configuration.</summary>
    public sealed record TaskList(IReadOnlyList<CronTaskStatus> Tasks) : ICronMessage;

    /// <summary>
    /// Runs a task now, after those that run or wait already. Answered with <see cref="TaskRan"/> at its end, or <see cref="NoSuchTask"/>.
    /// </summary>
    public sealed record RunTask(string Name) : ICronMessage;

    /// <summary>The task has run.</summary>
    public sealed record TaskRan(CronRun Run) : ICronMessage;

    /// <summary>No task of that name is configured.</summary>
    public sealed record NoSuchTask(string Name, IReadOnlyList<string> Known) : ICronMessage;
}

/// <summary>A task, its last run and its next time.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Expression">When it runs.</param>
/// <param name="Last">Its last run; null when there was none.</param>
/// <param name="Next">When it runs next; null: never again.</param>
public sealed record CronTaskStatus(string Name, string Expression, CronRun? Last, DateTimeOffset? Next);

/// <summary>How a run ended.</summary>
public enum CronResult
{
    /// <summary>It has not ended yet.</summary>
    Running,

    /// <summary>Every plugin did its part.</summary>
    Done,

    /// <summary>At least one plugin failed; the log tells which and why.</summary>
    Failed,

    /// <summary>The server ended before it did.</summary>
    Interrupted,
}

/// <summary>One run of a task.</summary>
/// <param name="Task">The task.</param>
/// <param name="Scheduled">The time that it ran for; null when an operator asked for it.</param>
/// <param name="Started">When it began.</param>
/// <param name="Duration">How long it took; null while it runs or when it was interrupted.</param>
/// <param name="Result">How it ended.</param>
/// <param name="Failures">How many plugins failed.</param>
public sealed record CronRun(
    string Task, DateTimeOffset? Scheduled, DateTimeOffset Started, TimeSpan? Duration, CronResult Result, int Failures);
