using Akka.Cluster.Sharding;

namespace Policyd.Actors.Counters;

/// <summary>Finds the owner of a message's key. The id is the key in full, so that no two keys ever share an owner.</summary>
internal sealed class CounterMessageExtractor(int shards) : HashCodeMessageExtractor(shards)
{
    public override string? EntityId(object message) =>
        message is IForCounter { Key: var key } ? $"{key.Connection}/{key.Table}/{key.Key}" : null;
}
