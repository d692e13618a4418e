using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Hosting.Systemd;

namespace Policyd.Server.Hosting;

/// <summary>
/// What the service manager is told of the server (sd_notify(3)). It goes by the variable NOTIFY_SOCKET: AddSystemd would look at the
/// parent's name, which differs in containers. Without a service manager nothing is told.
/// </summary>
internal sealed class ServiceManager
{
    private readonly SystemdNotifier _systemd = new();
    private readonly Lock _lock = new();
    private bool _stops;

    /// <summary>Within which time the service manager wants to hear that the server works; null: it does not.</summary>
    public TimeSpan? WatchdogTime { get; } = WatchdogOf(
        Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"), Environment.ProcessId);

    /// <summary>The server works.</summary>
    public void IsAlive() => _systemd.Notify(new ServiceState("WATCHDOG=1"));

    /// <summary>The server answers mail. Nothing is told once it stops: a reload may end only then.</summary>
    /// <param name="status">A line for <c>systemctl status</c>.</param>
    public void Ready(string status) => TellUnlessItStops(new ServiceState($"READY=1\nSTATUS={status}"));

    /// <summary>It answers nothing, but would not do better if it were started again.</summary>
    /// <param name="status">A line for <c>systemctl status</c>.</param>
    public void CannotBegin(string status) => _systemd.Notify(new ServiceState($"WATCHDOG=1\nSTATUS={status}"));

    /// <summary>See sd_watchdog_enabled(3).</summary>
    internal static TimeSpan? WatchdogOf(string? microseconds, string? process, int self) =>
        long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out var time) && time > 0
            && (process is null || process == self.ToString(CultureInfo.InvariantCulture))
                ? TimeSpan.FromMicroseconds(time)
                : null;

    /// <summary>It stops.</summary>
    public void Stopping()
    {
        lock (_lock)
        {
            _stops = true;
            _systemd.Notify(ServiceState.Stopping);
        }
    }

    /// <summary>It reads its configuration anew; <see cref="Ready"/> ends that, whatever came of it.</summary>
    public void Reloading()
    {
        // systemd takes the time of the monotonic clock, which .NET's stopwatch reads.
        var microseconds = Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);
        TellUnlessItStops(new ServiceState($"RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    private void TellUnlessItStops(ServiceState state)
    {
        lock (_lock)
        {
            if (!_stops)
            {
                _systemd.Notify(state);
            }
        }
    }
}
