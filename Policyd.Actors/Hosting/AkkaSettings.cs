namespace Policyd.Actors.Hosting;

/// <summary>Our Akka settings; the operator's <c>akka { }</c> goes before them.</summary>
internal static class AkkaSettings
{
    /// <summary>
    /// The host owns signals and exit; Akka's own hooks would end the process while a drain is under way. The scheduler's thread wakes at
    /// each tick for as long as the server runs. Akka's 10 ms cost an idle server 1 % of a core, and none of our timers needs them: the
    /// shortest is a pause of 100 ms before a database is tried again, and a cluster's heartbeats are a second apart. A cluster that found
    /// the ticks too long would start a scheduler of its own.
    /// </summary>
    public const string Defaults = """
        akka {
          loglevel = INFO
          stdout-logger-class = "Policyd.Actors.Hosting.SilentStandardOut, Policyd.Actors"
          scheduler.tick-duration = 100ms
          cluster.scheduler.tick-duration = 100ms
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          coordinated-shutdown {
            exit-clr = off
            run-by-clr-shutdown-hook = off
            phases.service-requests-done.timeout = 30s
          }
          actor {
            default-dispatcher { throughput = 30 }
          }
        }
        policyd {
          connections-dispatcher {
            type = "Policyd.Actors.Dispatching.RequestPathDispatcherConfigurator, Policyd.Actors"
            throughput = 30
            may-block = off
          }
          sessions-dispatcher {
            type = "Policyd.Actors.Dispatching.RequestPathDispatcherConfigurator, Policyd.Actors"
            throughput = 30
            may-block = on
          }
        }
        """;
}
