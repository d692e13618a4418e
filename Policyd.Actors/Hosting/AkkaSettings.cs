namespace Policyd.Actors.Hosting;

/// <summary>Our Akka settings; the operator's <c>akka { }</c> goes before them.</summary>
internal static class AkkaSettings
{
    /// <summary>The host owns signals and exit; Akka's own hooks would end the process while a drain is under way.</summary>
    public const string Defaults = """
        akka {
          loglevel = INFO
          stdout-logger-class = "Policyd.Actors.Hosting.SilentStandardOut, Policyd.Actors"
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
        """;
}
