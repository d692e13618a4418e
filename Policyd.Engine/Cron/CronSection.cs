using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Connections;

namespace Policyd.Engine.Cron;

// From the section "cron" to its options: the operator's tasks over Debian's crontab of mtpolicyd.
internal sealed class CronSection(SqlConnections connections, DiagnosticBag diagnostics)
{
    // No timer of .NET can be set to more than 49 days.
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromDays(30);

    public static IReadOnlyList<(string Name, string Expression)> Usual { get; } =
    [
        ("hourly", "0 * * * *"), ("daily", "0 0 * * *"), ("weekly", "0 0 * * 0"), ("monthly", "0 0 1 * *"),
    ];

    public CronOptions Read(ConfigNode? node)
    {
        var options = new CronOptions();
        switch (node)
        {
            case null:
                options.Tasks = Tasks(null, TimeZoneInfo.Local);
                break;
            case ConfigObject section:
                OptionBinder.Bind(options, section, diagnostics, new BindingOptions { Subject = "cron", ConsumedElsewhere = ["tasks"] });
                Check(options, section);
                options.Tasks = Tasks(section["tasks"], Zone(options, section));
                break;
            default:
                diagnostics.Error(node.Position, $"cron: expected an object {{ tasks, catch_up, … }}, found {node.Describe()}");
                break;
        }

        return options;
    }

    private void Check(CronOptions options, ConfigObject section)
    {
        if (section.Has("db") && !connections.Contains(options.Db))
        {
            diagnostics.Error(section.PositionOf("db"), $"cron: db: there is no SQL connection \"{options.Db}\"");
        }

        if (options.Timeout <= TimeSpan.Zero)
        {
            diagnostics.Error(section.PositionOf("timeout"), "cron: timeout: must be longer than 0");
        }
        else if (options.Timeout > s_longestTimeout)
        {
            diagnostics.Error(section.PositionOf("timeout"), "cron: timeout: must be at most 30 days");
        }

        if (options.CatchUp && !connections.Contains(options.Db))
        {
            diagnostics.Warning(
                section.PositionOf("catch_up"),
                "cron: catch_up has no effect without a SQL connection (db): a restart forgets which tasks have run");
        }
    }

    private TimeZoneInfo Zone(CronOptions options, ConfigObject section)
    {
        if (options.TimeZone is null)
        {
            return TimeZoneInfo.Local;
        }

        if (TimeZoneInfo.TryFindSystemTimeZoneById(options.TimeZone, out var zone))
        {
            return zone;
        }

        diagnostics.Error(section.PositionOf("time_zone"), $"cron: time_zone: the system has no time zone \"{options.TimeZone}\"");
        return TimeZoneInfo.Utc;
    }

    private List<CronTask> Tasks(ConfigNode? node, TimeZoneInfo zone)
    {
        var given = node as ConfigObject;
        if (node is not null && given is null)
        {
            diagnostics.Error(node.Position, $"cron: tasks: expected an object {{ NAME = \"EXPRESSION\" }}, found {node.Describe()}");
        }

        var tasks = new List<CronTask>();
        foreach (var (name, expression) in Usual.Where(usual => given is null || !given.Has(usual.Name)))
        {
            CronTask.TryCreate(name, expression, zone, out var task, out _);
            tasks.Add(task!);
        }

        foreach (var member in given?.Members ?? [])
        {
            Add(tasks, member, zone);
        }

        return tasks;
    }

    private void Add(List<CronTask> tasks, ConfigMember member, TimeZoneInfo zone)
    {
        if (member.Value is not ConfigScalar scalar)
        {
            diagnostics.Error(
                member.Value.Position, $"cron: task {member.Key}: expected a cron expression or off, found {member.Value.Describe()}");
        }
        else if (member.Key.Length == 0 || member.Key.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter is not ('-' or '_')))
        {
            diagnostics.Error(member.KeyPosition, $"cron: \"{member.Key}\" is not a valid task name; use letters, digits, - and _");
        }
        else if (scalar.Text is "off" or "false" or "no")
        {
            return;
        }
        else if (CronTask.TryCreate(member.Key, scalar.Text, zone, out var task, out var error))
        {
            tasks.Add(task!);
        }
        else
        {
            diagnostics.Error(scalar.Position, $"cron: task {member.Key}: {error}");
        }
    }
}
