using Cronos;

namespace Policyd.Engine.Cron;

/// <summary>
/// A task and when its time comes. Local times that a change of the clocks skips come at the first moment after the gap, those that it
/// repeats come once.
/// </summary>
public sealed class CronTask
{
    private readonly CronExpression _schedule;
    private readonly TimeZoneInfo _zone;

    private CronTask(string name, string expression, CronExpression schedule, TimeZoneInfo zone)
    {
        Name = name;
        Expression = expression;
        _schedule = schedule;
        _zone = zone;
    }

    /// <summary>
    /// The name, which plugins are told: <c>hourly</c>, <c>daily</c>, <c>weekly</c>, <c>monthly</c> or one of the operator's own.
    /// </summary>
    public string Name { get; }

    /// <summary>The five fields of crontab(5), or six with seconds before them, or <c>@daily</c> and its like.</summary>
    public string Expression { get; }

    /// <summary>Reads an expression.</summary>
    /// <param name="name">The task's name.</param>
    /// <param name="expression">The expression.</param>
    /// <param name="zone">The zone that its fields mean.</param>
    /// <param name="task">The task.</param>
    /// <param name="error">What is wrong with the expression.</param>
    public static bool TryCreate(string name, string expression, TimeZoneInfo zone, out CronTask? task, out string? error)
    {
        ArgumentNullException.ThrowIfNull(expression);
        task = null;
        error = null;
        try
        {
            var fields = expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
            var schedule = CronExpression.Parse(expression, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard);
            if (schedule.GetNextOccurrence(DateTimeOffset.UnixEpoch, zone) is null)
            {
                error = $"\"{expression}\" never matches any time";
                return false;
            }

            task = new CronTask(name, expression, schedule, zone);
            return true;
        }
        catch (CronFormatException e)
        {
            error = $"\"{expression}\" is not a valid cron expression: {e.Message}";
            return false;
        }
    }

    /// <summary>The first time after a moment; null when there is none in the calendar any more.</summary>
    /// <param name="after">The moment, which is not itself meant.</param>
    public DateTimeOffset? Next(DateTimeOffset after) => _schedule.GetNextOccurrence(after, _zone);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Expression})";
}
