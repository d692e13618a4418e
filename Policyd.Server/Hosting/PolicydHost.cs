// One process: the log around everything, the Generic Host inside, and the signals. Built without the host's defaults
// (appsettings.json, file watchers, event log), which cost a tenth of a second at each start and serve nothing here.

using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Policyd.Actors.Hosting;
using Policyd.Actors.Listeners;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Engine.Life;
using Policyd.Server.ExitCodes;
using Policyd.Server.History;
using Policyd.Server.Logging;
using Policyd.Server.Recording;
using Policyd.Server.Reloading;

namespace Policyd.Server.Hosting;

/// <summary>How a run of the server ended, when it did so as it should.</summary>
internal enum HostEnd
{
    /// <summary>Somebody stopped it.</summary>
    Stopped,

    /// <summary>It is no member of its cluster any more, and its next life may be one.</summary>
    BeginsAnew,
}

internal static partial class PolicydHost
{
    // .NET has no name for it; it takes the system's number.
    internal static readonly PosixSignal SigUsr1 = (PosixSignal)(OperatingSystem.IsMacOS() ? 30 : 10);

    /// <summary>
    /// Runs until SIGTERM, SIGINT or <paramref name="cancellationToken"/>, or until the node is no member of its cluster any more.
    /// </summary>
    /// <exception cref="CommandException">The server cannot start: a port in use, a file that cannot be written. Or it ended though nobody
    /// stopped it.</exception>
    public static async Task<HostEnd> RunAsync(
        string? pidFilePath,
        LogQueue log,
        ILoggerFactory loggers,
        Action<IServiceCollection> server,
        CancellationToken cancellationToken)
    {
        NoApplicationConfiguration.Use();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(loggers);
        builder.Services.Configure<ConsoleLifetimeOptions>(options => options.SuppressStatusMessages = true);
        server(builder.Services);

        builder.Services.AddHostedService<UnusedMemory>();
        var manager = new ServiceManager();
        builder.Services.AddSingleton(manager);
        builder.Services.AddHostedService<Watchdog>();

        // After the server's own services: hosted services stop in reverse, and the drain comes before the actor system's end.
        builder.Services.AddHostedService<DrainService>();

        using var host = builder.Build();
        var logger = loggers.CreateLogger("policyd");
        var reloader = host.Services.GetRequiredService<Reloader>();
        var recording = host.Services.GetRequiredService<RequestRecording>();
        recording.Use(recording.Open(host.Services.GetRequiredService<IPolicyServerHandle>().Model.Options.Record));
        using var user1 = PosixSignalRegistration.Create(SigUsr1, context => Reopen(context, log, recording, logger, "SIGUSR1"));
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            Reopen(context, log, recording, logger, "SIGHUP");
            _ = Task.Run(() => ReloadAsync(reloader, logger), CancellationToken.None);
        });
        await StartAsync(host, logger, cancellationToken);
        using var pidFile = pidFilePath is { } path ? await WritePidAsync(host, path) : null;

        var handle = host.Services.GetRequiredService<IPolicyServerHandle>();
        using var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() =>
        {
            if (!handle.ComesBack)
            {
                manager.Stopping();
            }

            reloader.Stop();
        });
        reloader.Reloading += begins =>
        {
            if (begins)
            {
                manager.Reloading();
            }
            else
            {
                Serves(host, handle, manager);
            }
        };
        Serves(host, handle, manager);
        await host.WaitForShutdownAsync(cancellationToken);
        await reloader.EndedAsync();
        if (handle.ComesBack)
        {
            BeginsAnew(logger, handle.UnexpectedEnd!);
            return HostEnd.BeginsAnew;
        }

        if (handle.UnexpectedEnd is { } why)
        {
            EndedItself(logger, why);
            throw new CommandException(ExitCode.Software, $"the server stopped because of an error: {why}; see its log");
        }

        Stopped(logger);
        return HostEnd.Stopped;
    }

    // A log that was moved away is opened anew, whatever else comes of the signal.
    private static void Reopen(PosixSignalContext context, LogQueue log, RequestRecording recording, ILogger logger, string signal)
    {
        context.Cancel = true;   // the default action ends the process
        log.Reopen();
        recording.Reopen();
        Reopened(logger, signal);
    }

    private static async Task ReloadAsync(Reloader reloader, ILogger logger)
    {
        try
        {
            await reloader.ReloadAsync(dryRun: false, CancellationToken.None);
        }
        catch (Exception failure)
        {
            NotReloaded(logger, failure);
        }
    }

    /// <summary>At the start, and after each reload: the host waits at its stop as long as this configuration says.</summary>
    private static void Serves(IHost host, IPolicyServerHandle server, ServiceManager manager)
    {
        var options = host.Services.GetRequiredService<IOptions<HostOptions>>().Value;
        options.ShutdownTimeout = DrainService.GraceOf(server.Model) + PolicyServerExtensions.FlushGrace
            + HistoryWriter.Grace + server.Model.Options.PluginStopTimeout + TimeSpan.FromSeconds(5);
        var hosts = server.Model.VirtualHosts.Select(static host => host.Name);
        manager.Ready(LogText.OneLine($"serves {string.Join(", ", hosts)} on {string.Join(", ", server.Endpoints)}"));
    }

    // Only once the listeners are bound: a second server on the same ports must not take the first one's file.
    private static async Task<PidFile> WritePidAsync(IHost host, string path)
    {
        try
        {
            return new PidFile(path);
        }
        catch (CommandException)
        {
            await host.StopAsync();
            throw;
        }
    }

    private static async Task StartAsync(IHost host, ILogger logger, CancellationToken cancellationToken)
    {
        // Akka.Hosting writes a failed start with its stack trace to Console.Out; ours goes to the log and to stderr, in one line.
        var console = Console.Out;
        Console.SetOut(TextWriter.Null);
        try
        {
            MakeSystem(host);
            await host.StartAsync(cancellationToken);
        }
        catch (Exception failure) when (Explained(failure) is { } explained)
        {
            NotStarted(logger, explained.Message);
            throw explained;
        }
        finally
        {
            Console.SetOut(console);
        }
    }

    // Akka's own settings fail here, before anything is started, with whatever exception its code comes upon.
    private static void MakeSystem(IHost host)
    {
        try
        {
            _ = host.Services.GetRequiredService<ActorSystem>();
        }
        catch (Exception failure) when (AkkaFault.Causes(failure).LastOrDefault(IsOfTransport) is { } bind
            && AkkaFault.Causes(bind).OfType<SocketException>().LastOrDefault() is { } socket)
        {
            var message = $"{bind.Message.Split(". ")[0]}: {socket.Message}";
            throw socket.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => new CommandException(ExitCode.OsError, message),
                SocketError.AccessDenied => new CommandException(ExitCode.NoPermission, message),
                _ => new ConfigurationException(message, failure),
            };
        }
        catch (Exception failure)
        {
            throw AkkaFault.Of(failure);
        }
    }

    // By its name: a server that is alone does not load what the type is in.
    private static bool IsOfTransport(Exception exception) => exception.GetType().FullName == "Akka.Remote.RemoteTransportException";

    private static CommandException? Explained(Exception failure) => failure switch
    {
        ListenException { InnerException: UnauthorizedAccessException or SocketException { SocketErrorCode: SocketError.AccessDenied } } =>
            new CommandException(ExitCode.NoPermission, failure.Message),
        ListenException => new CommandException(ExitCode.OsError, failure.Message),
        PluginStartException => new CommandException(ExitCode.Unavailable, failure.Message),
        CommandException explained => explained,
        ConfigurationException => new CommandException(ExitCode.Config, $"akka {{ }}: {failure.Message}"),
        _ => null,
    };

    [LoggerMessage(EventId = 11, Level = LogLevel.Error, Message = "not started: {Reason}")]
    private static partial void NotStarted(ILogger logger, string reason);

    [LoggerMessage(EventId = 12, Level = LogLevel.Information, Message = "{Signal}: the log file is reopened")]
    private static partial void Reopened(ILogger logger, string signal);

    [LoggerMessage(EventId = 96, Level = LogLevel.Error, Message = "not reloaded because of an error of the server")]
    private static partial void NotReloaded(ILogger logger, Exception failure);

    [LoggerMessage(EventId = 13, Level = LogLevel.Error, Message = "stopped because of an error: {Why}")]
    private static partial void EndedItself(ILogger logger, string why);

    [LoggerMessage(EventId = 88, Level = LogLevel.Warning, Message = "begins anew, since {Why}")]
    private static partial void BeginsAnew(ILogger logger, string why);

    [LoggerMessage(EventId = 14, Level = LogLevel.Information, Message = "stopped")]
    private static partial void Stopped(ILogger logger);
}
