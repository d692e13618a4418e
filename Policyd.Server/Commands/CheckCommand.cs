using Akka.Configuration;
using Policyd.Actors.Network;
using Policyd.Counting.Store;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary>
/// <c>policyd check</c>: every error, warning and notice of a configuration, with its place, and an exit code that a script can use; a
/// statement that its database refuses, and tables that a newer server has changed, are such errors. Then what a start would do to the
/// tables. It changes nothing, and a
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
        ClusterFiles.AddTo(configuration.Document.Diagnostics, configuration.Document.Root, model, DateTimeOffset.UtcNow);
        HttpFiles.AddTo(configuration.Document.Diagnostics, configuration.Document.Root, model);
        CheckAkka(configuration, model);
        OwnTablesCheck? own = null;
        var describing = new List<Task<(IReadOnlyList<string> Plans, string? Warning)>>();
        if (!offline)
        {
            // All at once: a database that is silent is waited for once.
            var looking = OwnTablesCheck.LookAsync(model, s_timeout, cancellationToken);
            describing.AddRange(model.CounterStores.Select(pair => DescribeAsync(pair.Key, pair.Value, model, cancellationToken)));
            await CheckedStatements.AddToAsync(configuration.Document.Diagnostics, model, s_timeout, cancellationToken);
            own = await looking;
            own.AddTo(configuration.Document.Diagnostics, model);
        }

        configuration.Document.Diagnostics.WriteTo(error);
        if (configuration.Document.Diagnostics.HasErrors)
        {
            return ExitCode.Config;
        }

        await output.WriteLineAsync($"{configuration.Path}: no errors");
        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (connection, away) in own?.Connections ?? [])
        {
            await WriteAsync(
                [.. own!.PlansFor(connection).Select(step => $"{connection}: at the next start: {step}")],
                away is null || model.CounterStores.ContainsKey(connection) ? null : Unknown(connection, away));
        }

        // Not disposed: a database that does not answer would be waited for, and the process ends here anyway.
        foreach (var described in describing)
        {
            var (plans, warning) = await described;
            await WriteAsync(plans, warning);
        }

        return ExitCode.Ok;

        async Task WriteAsync(IReadOnlyList<string> plans, string? warning)
        {
            // What hinders all tables of a connection is told once.
            foreach (var plan in plans.Where(told.Add))
            {
                await output.WriteLineAsync(LogText.OneLine(plan));
            }

            if (warning is not null)
            {
                await error.WriteLineAsync(LogText.OneLine(warning));
            }
        }
    }

    // What a start would say of the operator's akka { }, at its place.
    private static void CheckAkka(LoadedConfiguration configuration, PolicyServerModel model)
    {
        try
        {
            AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString(configuration.Akka(LogSeverity.Notice)), model.Options.Cluster);
        }
        catch (ConfigurationException wrong)
        {
            configuration.Document.Diagnostics.Error(configuration.Document.Root.PositionOf("akka"), $"akka {{ }}: {wrong.Message}");
        }
    }

    private static string Unknown(string connection, string reason) =>
        $"{connection}: warning: {reason}; the changes that a start would make to its tables are unknown";

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
            return (plans, Unknown(connection, away.Message));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (plans, Unknown(connection, $"the database did not answer within {s_timeout.TotalSeconds:0} s"));
        }
    }
}
