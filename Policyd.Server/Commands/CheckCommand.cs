using Akka.Configuration;
using Policyd.Actors.Network;
using Policyd.Counting.Store;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary>
/// <c>policyd check</c>: every error, warning and notice of a configuration, with its place, and an exit code that a script can use; a
/// statement that its database refuses is one of these errors. Then what a start would do to the counter tables. It changes nothing, and a
/// database that is away is no error of the configuration.
/// </summary>
internal static class CheckCommand
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(
        string? given, bool offline, TextWriter output, TextWriter error, CancellationToken cancellationToken)
    {
        var configuration = LoadedConfiguration.Read(given);
        if (configuration.Build(error) is not { } model)
        {
            return ExitCode.Config;
        }

        WritablePlaces.AddTo(configuration.Document.Diagnostics, configuration.Document.Root, model);
        CheckAkka(configuration);
        if (!offline)
        {
            await CheckedStatements.AddToAsync(configuration.Document.Diagnostics, model, s_timeout, cancellationToken);
        }

        configuration.Document.Diagnostics.WriteTo(error);
        if (configuration.Document.Diagnostics.HasErrors)
        {
            return ExitCode.Config;
        }

        await output.WriteLineAsync($"{configuration.Path}: no errors");
        if (!offline)
        {
            // Not disposed: a database that does not answer would be waited for, and the process ends here anyway.
            foreach (var described in model.CounterStores.Select(pair => DescribeAsync(pair.Key, pair.Value, model, cancellationToken))
                .ToList())
            {
                var (plans, warning) = await described;
                foreach (var plan in plans)
                {
                    await output.WriteLineAsync(LogText.OneLine(plan));
                }

                if (warning is not null)
                {
                    await error.WriteLineAsync(LogText.OneLine(warning));
                }
            }
        }

        return ExitCode.Ok;
    }

    // What a start would say of the operator's akka { }, at its place.
    private static void CheckAkka(LoadedConfiguration configuration)
    {
        try
        {
            AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString(configuration.Akka(LogSeverity.Notice)));
        }
        catch (ConfigurationException wrong)
        {
            configuration.Document.Diagnostics.Error(configuration.Document.Root.PositionOf("akka"), $"akka {{ }}: {wrong.Message}");
        }
    }

    private static async Task<(IReadOnlyList<string> Plans, string? Warning)> DescribeAsync(
        string connection, ICounterStore store, PolicyServerModel model, CancellationToken cancellationToken)
    {
        var plans = new List<string>();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_timeout);
        try
        {
            foreach (var table in model.CounterTables.Where(use => use.Connection == connection).Select(use => use.Table).Distinct())
            {
                var steps = await Task.Run(() => store.DescribePreparationAsync(table, timeout.Token), timeout.Token)
                    .WaitAsync(timeout.Token);
                plans.AddRange(steps.Count == 0
                    ? [$"{connection}: table {table}: ready"]
                    : steps.Select(step => $"{connection}: at the next start: {step}"));
            }

            return (plans, null);
        }
        catch (CounterStoreException away)
        {
            return (plans, $"{connection}: warning: {away.Message}; the changes that a start would make to its tables are unknown");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (
                plans,
                $"{connection}: warning: the database did not answer within {s_timeout.TotalSeconds:0} s; the changes that a start would "
                    + $"make to its tables are unknown");
        }
    }
}
