using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Cron;
using Policyd.Configuration.Options;

namespace Policyd.Server.Admin.Cron;

/// <summary><c>cron.run</c>: a task now, after those that run or wait already; answered at its end.</summary>
internal sealed partial class CronRunNow(CronAdmin admin, ILoggerFactory loggers) : IAdminCommand
{
    // Below the client's own timeout, so that it hears from the server that the task goes on.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(75);

    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    public string Name => "cron.run";

    public IReadOnlyList<string> Arguments { get; } = ["task"];

    public TimeSpan Timeout => s_timeout + TimeSpan.FromSeconds(5);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        var name = arguments.RequiredText("task");
        switch (await admin.AskAsync(scheduler => scheduler.RunAsync(name, s_timeout), runs: true))
        {
            case CronProtocol.TaskRan ran:
                Ran(_logger, ran.Run.Task, caller.Text);
                return CronReports.ToNode(CronRunReport.Of(ran.Run), CronReports.Default.CronRunReport);
            case CronProtocol.NoSuchTask none:
                var hint = OptionNames.DidYouMean(name, none.Known);
                throw new AdminException(
                    AdminError.NotFound,
                    $"there is no task \"{name}\"{(hint.Length > 0 ? hint : ".")} Known tasks: {string.Join(", ", none.Known)}");
            case var other:
                throw new InvalidOperationException($"the cron scheduler answered {other.GetType().Name}");
        }
    }

    [LoggerMessage(EventId = 7, Level = LogLevel.Information, Message = "cron: {Task} was run for {Caller}")]
    private static partial void Ran(ILogger logger, string task, string caller);
}
