using System.Text.Json.Nodes;

namespace Policyd.Server.Admin.Cron;

/// <summary><c>cron.list</c>: the tasks with their last runs and next times.</summary>
internal sealed class CronList(CronAdmin admin) : IAdminCommand
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    public string Name => "cron.list";

    public IReadOnlyList<string> Arguments { get; } = [];

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var list = await admin.AskAsync(scheduler => scheduler.ListAsync(s_timeout));
        var tasks = list.Tasks.Select(task => new CronTaskReport(
            task.Name, task.Expression, task.Last is { } last ? CronRunReport.Of(last) : null, task.Next?.ToLocalTime()));
        return CronReports.ToNode(new CronListReport([.. tasks]), CronReports.Default.CronListReport);
    }
}
