namespace Policyd.Actors.Counters;

/// <summary>Akka's settings for a node that counts. Everything here can be overridden in the configuration's <c>akka { }</c>.</summary>
internal static class CounterAkkaSettings
{
    public const string Defaults = CounterMailbox.Naming + """
        akka {
          actor {
            provider = cluster
            # Only types with a serializer of their own cross nodes: no type's name from the network is ever loaded.
            serialization-settings.allow-unregistered-types = off
            serializers.counters = "Policyd.Actors.Counters.CounterMessageSerializer, Policyd.Actors"
            serialization-bindings { "Policyd.Actors.Counters.ICounterMessage, Policyd.Actors" = counters }
          }
          # A node of its own on loopback. A cluster across hosts names its address, its seed nodes and its certificates.
          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
          cluster {
            seed-nodes = []
            roles = [policyd]
            # A cluster of one is up at once instead of after a second.
            leader-actions-interval = 100 ms
            periodic-tasks-initial-delay = 100 ms
            log-info = off
            sharding {
              role = policyd
              state-store-mode = ddata
              remember-entities = off
              passivate-idle-entity-after = off
              distributed-data.durable.keys = []
              retry-interval = 200 ms
              buffer-size = 100000
            }
            distributed-data.durable.keys = []
            singleton { hand-over-retry-interval = 200 ms }
          }
          # Time for the last commits of a clean stop.
          coordinated-shutdown.phases.service-stop.timeout = 15 s
        }
        """;
}
