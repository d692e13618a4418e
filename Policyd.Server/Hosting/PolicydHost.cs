// One process: the log around everything, the Generic Host inside, and the signals. Built without the host's defaults
// (appsettings.json, file watchers, event log), which cost a tenth of a second at each start and serve nothing here.

using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Hosting;
using Policyd.Actors.Listeners;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Hosting;

internal sealed record PolicydHostSettings
{
    public string? PidFile { get; init; }

    /// <summary>How long requests in flight may take to end after SIGTERM.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(25);
}

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
    /// <summary>
    /// Runs until SIGTERM, SIGINT or <paramref name="cancellationToken"/>, or until the node is no member of its cluster any more.
    /// </summary>
    /// <exception cref="CommandException">The server cannot start: a port in use, a file that cannot be written. Or it ended though nobody
    /// stopped it.</exception>
    public static async Task<HostEnd> RunAsync(
        PolicydHostSettings settings,
        LogQueue log,
        ILoggerFactory loggers,
        Action<IServiceCollection> server,
        CancellationToken cancellationToken)
    {
        NoApplicationConfiguration.Use();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(loggers);
        builder.Services.Configure<ConsoleLifetimeOptions>(options => options.SuppressStatusMessages = true);
        builder.Services.Configure<HostOptions>(
            options => options.ShutdownTimeout = settings.Grace + PolicyServerExtensions.FlushGrace + TimeSpan.FromSeconds(5));
        server(builder.Services);

        builder.Services.AddHostedService<UnusedMemory>();

        // After the server's own services: hosted services stop in reverse, and the drain comes before the actor system's end.
        builder.Services.AddHostedService(services => ActivatorUtilities.CreateInstance<DrainService>(services, settings.Grace));

        using var host = builder.Build();
        var logger = loggers.CreateLogger("policyd");
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true; // the default action ends the process
            log.Reopen();
            Reopened(logger);
        });
        await StartAsync(host, logger, cancellationToken);
        using var pidFile = settings.PidFile is { } path ? await WritePidAsync(host, path) : null;

        // AddSystemd looks at the parent's name, which differs in containers; the variable is what sd_notify(3) goes by.
        var systemd = new SystemdNotifier();
        systemd.Notify(ServiceState.Ready);
        var handle = host.Services.GetRequiredService<IPolicyServerHandle>();
        using var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() =>
        {
            if (!handle.ComesBack)
            {
                systemd.Notify(ServiceState.Stopping);
            }
        });
        await host.WaitForShutdownAsync(cancellationToken);
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
        CommandException explained => explained,
        ConfigurationException => new CommandException(ExitCode.Config, $"akka {{ }}: {failure.Message}"),
        _ => null,
    };

    [LoggerMessage(EventId = 11, Level = LogLevel.Error, Message = "not started: {Reason}")]
    private static partial void NotStarted(ILogger logger, string reason);

    [LoggerMessage(
        EventId = 12, Level = LogLevel.Information, Message = "SIGHUP: the log file is reopened; a changed configuration needs a restart")]
    private static partial void Reopened(ILogger logger);

    [LoggerMessage(EventId = 13, Level = LogLevel.Error, Message = "stopped because of an error: {Why}")]
    private static partial void EndedItself(ILogger logger, string why);

    [LoggerMessage(EventId = 88, Level = LogLevel.Warning, Message = "begins anew, since {Why}")]
    private static partial void BeginsAnew(ILogger logger, string why);

    [LoggerMessage(EventId = 14, Level = LogLevel.Information, Message = "stopped")]
    private static partial void Stopped(ILogger logger);
}
