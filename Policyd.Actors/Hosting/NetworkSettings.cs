namespace Policyd.Actors.Hosting;

/// <summary>
/// Akka's settings for a server that is alone, and for one that others reach. Everything here can be overridden in the configuration's
/// <c>akka { }</c>.
/// </summary>
internal static class NetworkSettings
{
    /// <summary>For a server that nobody reaches.</summary>
    public const string Alone = """
        akka.actor.serializers.json = "Policyd.Actors.Hosting.NoSerializer, Policyd.Actors"
        """;

    /// <summary>For Akka's remoting: on loopback unless the configuration says otherwise, and for no message but ours.</summary>
    public const string Remote = """
        akka {
          actor {
            provider = remote
            # Only types with a serializer of their own cross nodes. Akka's own for all others would make any type that a message names.
            serialization-settings.allow-unregistered-types = off
            serializers.json = "Policyd.Actors.Hosting.NoSerializer, Policyd.Actors"
            # Nor does a node make an actor that another one names.
            serializers.daemon-create = "Policyd.Actors.Hosting.NoSerializer, Policyd.Actors"
            serializers.counters = "Policyd.Actors.Counters.CounterMessageSerializer, Policyd.Actors"
            serialization-bindings { "Policyd.Actors.Counters.ICounterMessage, Policyd.Actors" = counters }
          }
          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
        }
        """;

    /// <summary>For a cluster, over those of remoting. Across hosts it names its address, its seed nodes and its certificates.</summary>
    public const string Cluster = """
        akka {
          actor.provider = cluster
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
              # A move of a shard waits for every node. When a connection breaks meanwhile, one node's word is lost, and the shard has no
              # home for this long. Its owners have 5 s less to commit what they have; what they do not commit was not answered.
              handoff-timeout = 10 s
              # With a limit Akka takes the strategy that moves nothing while a node is not reached, joins, or is of another version.
              least-shard-allocation-strategy { rebalance-absolute-limit = 16, rebalance-relative-limit = 0.1 }
            }
            distributed-data.durable.keys = []
            singleton { hand-over-retry-interval = 200 ms }
            # It warns at each start and stop, before the singleton can be there, whatever its period says.
            singleton-proxy.log-singleton-identification-failure = off
          }
        }
        """;
}
