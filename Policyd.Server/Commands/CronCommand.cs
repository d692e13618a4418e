using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary><c>policyd cron</c> and <c>-t</c>: the plugins' periodic tasks once, without a server. What is logged also goes to stderr, which cron(8) mails.</summary>
internal static class CronCommand
{
    /// <exception cref="CommandException">No task is named, or the log cannot be opened.</exception>
    public static async Task<int> RunAsync(string? given, string tasks, int? level, TextWriter error, CancellationToken cancellationToken)
    {
        var names = tasks.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (names.Length == 0)
        {
            throw new CommandException(ExitCode.Usage, "cron needs a task: hourly, daily, weekly, monthly");
        }

        var configuration = LoadedConfiguration.Read(given);
        var settings = LogSettings.From(configuration.EarlyOptions(), level, foreground: true);
        using var queue = settings.Open(Console.OpenStandardError());
        using var log = new PolicydLog(queue, settings.Level);
        if (configuration.Build(error, log) is not { } model)
        {
            return ExitCode.Config;
        }

        await using var connections = model.ServerConnections;
        return await model.CronAsync(names, cancellationToken) == 0 ? ExitCode.Ok : ExitCode.Software;
    }
}
