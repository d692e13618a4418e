using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Server;

namespace Policyd.Server.Hosting;

/// <summary>
/// Tells the service manager that the server works, as often as its unit asks for (WatchdogSec). It is told only what was tried: a request
/// without plugins was answered. So a server that hangs is started again, and one whose databases are away is not.
/// </summary>
internal sealed partial class Watchdog(IPolicyServerHandle server, ServiceManager manager, ILoggerFactory loggers) : BackgroundService
{
    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (manager.WatchdogTime is not { } time)
        {
            return;
        }

        // As systemd advises: twice in its time. An answer that takes longer than half of it is none.
        using var timer = new PeriodicTimer(time / 2);
        do
        {
            try
            {
                await server.ProbeAsync(time / 2);
                manager.IsAlive();
            }
            catch (TimeoutException)
            {
                NotAnswered(_logger, (time / 2).TotalSeconds);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(
        EventId = 97,
        Level = LogLevel.Error,
        Message = "a request without plugins was not answered within {Seconds} s; the service manager is not told that the server works")]
    private static partial void NotAnswered(ILogger logger, double seconds);
}
