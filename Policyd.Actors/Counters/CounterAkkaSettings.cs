namespace Policyd.Actors.Counters;

/// <summary>
/// Akka's settings for a server that counts, alone or not, or may do so after a reload. Everything here can be overridden in the
/// configuration's <c>akka { }</c>.
/// </summary>
internal static class CounterAkkaSettings
{
    public const string Defaults = CounterMailbox.Naming;

    /// <summary>Time for the last commits of a clean stop, and for what comes after them.</summary>
    public static string TimeToStop(TimeSpan time) =>
        $"akka.coordinated-shutdown.phases.service-stop.timeout = {(long)time.TotalMilliseconds} ms";
}
