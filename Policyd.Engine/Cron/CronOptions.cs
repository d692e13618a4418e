using System.ComponentModel;
using Policyd.Configuration.Options;

namespace Policyd.Engine.Cron;

/// <summary>The options of <c>policyd { cron { } }</c>: the server's own scheduler, in place of a crontab.</summary>
public sealed class CronOptions
{
    /// <summary>The tasks that there are without <c>tasks</c>, as in mtpolicyd's crontab.</summary>
    public static IReadOnlyList<string> UsualTasks { get; } = [.. CronSection.Usual.Select(task => task.Name)];

    /// <summary>Whether the server runs the tasks itself.</summary>
    [Description("off: the server runs no tasks; run policyd cron from a crontab instead")]
    public bool Enabled { get; set; } = true;

    /// <summary>Whether a tick that was missed is made good.</summary>
    [Description("on: a task that was due while the server was down runs once at the start")]
    public bool CatchUp { get; set; }

    /// <summary>The connection that keeps the ledger.</summary>
    [Description("the SQL connection that stores the record of runs; default: in memory")]
    public string Db { get; set; } = "db";

    /// <summary>The zone in which the expressions are read; null: the system's.</summary>
    [Description("the time zone of the expressions, such as Europe/Berlin; default: the system's")]
    public string? TimeZone { get; set; }

    /// <summary>How long the work of one plugin, or for one database with counters, may take.</summary>
    [Description("how long a task may take in one plugin, or in one database with counters; then the others have their turn")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Whether there is anything for the server to run.</summary>
    [NotAnOption]
    public bool Runs => Enabled && Tasks.Count > 0;

    /// <summary>The tasks, from <c>tasks { NAME = EXPRESSION }</c>.</summary>
    [NotAnOption]
    public IReadOnlyList<CronTask> Tasks { get; internal set; } = [];
}
