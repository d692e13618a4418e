// One process: the log around everything, the Generic Host inside, and the signals. Built without the host's defaults
// (appsettings.json, file watchers, event log), which cost a tenth of a second at each start and serve nothing here.

using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Server.Commands;
using Policyd.Server.Logging;

namespace Policyd.Server.Hosting;

internal sealed record PolicydHostSettings(LogSettings Log)
{
    public string? PidFile { get; init; }

    /// <summary>How long requests in flight may take to end after SIGTERM.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(25);
}

internal static partial class PolicydHost
{
    /// <summary>Runs until SIGTERM, SIGINT or <paramref name="cancellationToken"/>; 0 after a clean end.</summary>
    /// <exception cref="CommandException">The server cannot start: a port in use, a file that cannot be written.</exception>
    public static async Task<int> RunAsync(PolicydHostSettings settings, Action<IServiceCollection> server, CancellationToken cancellationToken)
    {
        using var log = settings.Log.Open();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Trace);
        builder.Logging.AddProvider(new PolicydLoggerProvider(log, settings.Log.Level, TimeProvider.System));

        // The host's own lines ("Application started. Press Ctrl+C...") tell an operator nothing; its errors do.
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.Configure<ConsoleLifetimeOptions>(options => options.SuppressStatusMessages = true);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = settings.Grace + TimeSpan.FromSeconds(5));
        builder.Services.AddSystemd();
        server(builder.Services);

        using var host = builder.Build();
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("policyd");
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true; // the default action ends the process
            log.Reopen();
            Reopened(logger);
        });
        await StartAsync(host, cancellationToken);
        using var pidFile = settings.PidFile is { } path ? new PidFile(path) : null;
        await host.WaitForShutdownAsync(cancellationToken);
        Stopped(logger);
        return ExitCode.Ok;
    }

    private static async Task StartAsync(IHost host, CancellationToken cancellationToken)
    {
        try
        {
            await host.StartAsync(cancellationToken);
        }
        catch (Exception failure) when (FindIn<SocketException>(failure) is { } socket)
        {
            var reason = ReferenceEquals(failure, socket) ? socket.Message : failure.Message;
            throw new CommandException(socket.SocketErrorCode == SocketError.AccessDenied ? ExitCode.NoPermission : ExitCode.OsError, reason);
        }
    }

    private static T? FindIn<T>(Exception failure) where T : Exception => failure switch
    {
        T found => found,
        AggregateException many => many.InnerExceptions.Select(FindIn<T>).FirstOrDefault(found => found is not null),
        _ => failure.InnerException is { } inner ? FindIn<T>(inner) : null,
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "SIGHUP: the log file is opened anew; a changed configuration needs a restart")]
    private static partial void Reopened(ILogger logger);

    [LoggerMessage(Level = LogLevel.Information, Message = "stopped")]
    private static partial void Stopped(ILogger logger);
}
