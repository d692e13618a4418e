using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Cron;
using Policyd.Engine.Life;
using Policyd.Engine.Model;
using Policyd.Server.Descriptors;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary>
/// <c>policyd cron</c> and <c>-t</c>: the plugins' periodic tasks once, without a server. What is logged also goes to stderr, which cron(8)
/// mails.
/// </summary>
internal static class CronCommand
{
    /// <exception cref="CommandException">
    /// No task is named, or one that nobody has; the log cannot be opened; or a plugin cannot start.
    /// </exception>
    public static async Task<int> RunAsync(string? given, string tasks, int? level, TextWriter error, CancellationToken cancellationToken)
    {
        var names = tasks.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (names.Length == 0)
        {
            throw new CommandException(ExitCode.Usage, "cron needs a task: hourly, daily, weekly or monthly");
        }

        var configuration = LoadedConfiguration.Read(given);
        var settings = LogSettings.From(configuration.EarlyOptions(), level, foreground: true);
        using var queue = settings.Open(StandardDescriptor.Error());
        using var log = new PolicydLog(queue, settings.Level);
        if (configuration.Build(error, log) is not { } model)
        {
            return ExitCode.Config;
        }

        await using var connections = model.ServerConnections;
        var known = KnownTasks(model, configuration.Document.Root);
        if (names.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
        {
            throw new CommandException(
                ExitCode.Usage,
                $"there is no task \"{unknown}\"; known tasks: {string.Join(", ", known)}; cron {{ tasks {{ }} }} in the configuration can "
                    + $"add others{OptionNames.DidYouMean(unknown, known)}");
        }

        try
        {
            await model.StartPluginsAsync(null, cancellationToken);
            return await model.CronAsync(names, cancellationToken) == 0 ? ExitCode.Ok : ExitCode.Software;
        }
        catch (PluginStartException failure)
        {
            throw new CommandException(ExitCode.Unavailable, failure.Message);
        }
        finally
        {
            await model.EndPluginsAsync();
        }
    }

    // Also those that the server's own cron scheduler has off: a crontab runs them instead.
    private static List<string> KnownTasks(PolicyServerModel model, ConfigObject root) =>
    [
        .. CronOptions.UsualTasks,
        .. model.Cron.Tasks
            .Select(task => task.Name)
            .Concat((root.Find("policyd", "cron", "tasks") as ConfigObject)?.Members.Select(member => member.Key) ?? [])
                .Except(CronOptions.UsualTasks),
    ];
}
