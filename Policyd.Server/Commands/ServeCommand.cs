using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Connections;
using Policyd.Actors.Hosting;
using Policyd.Configuration.Tree;
using Policyd.Server.ExitCodes;
using Policyd.Server.Hosting;
using Policyd.Server.Loading;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary><c>policyd serve</c>: reads, builds, serves until a signal.</summary>
internal sealed partial class ServeCommand(TextWriter error)
{
    /// <exception cref="CommandException">The server cannot start.</exception>
    public async Task<int> RunAsync(string? given, int? level, bool foreground, CancellationToken cancellationToken)
    {
        var lasted = Stopwatch.StartNew();
        HostEnd? end = null;
        try
        {
            end = await ServeAsync(given, level, foreground, cancellationToken);
        }
        catch (CommandException e) when (
            NodeLife.FollowsAnother && e.ExitCode is ExitCode.NoInput or ExitCode.NoPermission or ExitCode.Config)
        {
            await error.WriteLineAsync($"policyd: {e.Message}");
        }

        if (end == HostEnd.BeginsAnew)
        {
            NextLife.Begin(NodeLife.Current.Next(lasted.Elapsed));
        }

        if (end is null && NodeLife.FollowsAnother)
        {
            if (await RepairPause.WaitAsync(error, cancellationToken))
            {
                NextLife.Begin(NodeLife.Current);
            }

            return ExitCode.Ok;
        }

        return end is null ? ExitCode.Config : ExitCode.Ok;
    }

    /// <summary>Null when the configuration has errors, which are told.</summary>
    private async Task<HostEnd?> ServeAsync(string? given, int? level, bool foreground, CancellationToken cancellationToken)
    {
        Demand(OpenFiles.Least);
        var configuration = LoadedConfiguration.Read(given);
        var logSettings = LogSettings.From(configuration.EarlyOptions(), level, foreground);
        using var queue = logSettings.Open();
        using var log = new PolicydLog(queue, logSettings.Level);
        if (configuration.Build(error, log) is not { } model)
        {
            return null;
        }

        var logger = log.CreateLogger("policyd");
        var (limit, needed) = (OpenFiles.Limit(), OpenFiles.NeededBy(model));
        Demand(needed);
        if (OpenFiles.RoomFor(model) is var room && room < model.Options.MaxConnections)
        {
            FewConnections(logger, model.Options.MaxConnections, limit, room, needed + (long)model.Options.MaxConnections);
        }

        await StartChecks.AddToAsync(configuration, model, cancellationToken);
        if (configuration.Document.Diagnostics.HasErrors)
        {
            configuration.Document.Diagnostics.WriteTo(error);
            return null;
        }

        foreach (var diagnostic in configuration.Document.Diagnostics.All)
        {
            Diagnosed(logger, diagnostic.Severity == Severity.Warning ? LogLevel.Warning : LogLevel.Information, diagnostic.ToString());
        }

        Serving(logger, configuration.Path, string.Join(", ", model.VirtualHosts.Select(host => host.Name)));
        return await PolicydHost.RunAsync(
            model.Options.PidFile,
            queue,
            log,
            services => services
                .AddReloader(configuration.Path, log, level)
                .AddAdmin(model.Options.Admin)
                .AddTelemetry(model.Options, queue)
                .AddPolicyServer(model, configuration.Akka(logSettings.Level)),
            cancellationToken);
    }

    private static void Demand(int needed)
    {
        if (OpenFiles.Shortage(needed) is { } shortage)
        {
            throw new CommandException(ExitCode.OsError, $"not started: {shortage}");
        }
    }

    [LoggerMessage(
        EventId = 8,
        Level = LogLevel.Warning,
        Message = "max_connections is {Maximum}, but the limit of open files ({Limit}) allows only {Room}; further connections wait; raise "
            + "the limit to {Wanted} with LimitNOFILE= in the unit, or with ulimit -n")]
    private static partial void FewConnections(ILogger logger, int maximum, int limit, int room, long wanted);

    [LoggerMessage(EventId = 9, Message = "{Diagnostic}")]
    private static partial void Diagnosed(ILogger logger, LogLevel level, string diagnostic);

    [LoggerMessage(EventId = 10, Level = LogLevel.Information, Message = "serving {Path}, virtual hosts: {VirtualHosts}")]
    private static partial void Serving(ILogger logger, string path, string virtualHosts);
}
