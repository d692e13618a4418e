using Akka.Actor;

namespace Policyd.Actors.Counters;

/// <summary>Marks what crosses from one node to another; <see cref="CounterMessageSerializer"/> knows each by a short manifest.</summary>
internal interface ICounterMessage;

/// <summary>The messages between the posts of a cluster's nodes. docs/counters.md tells their bytes.</summary>
internal static class CounterPostProtocol
{
    /// <summary>To a partition, wherever it is: the post of its node answers with <see cref="PartitionHere"/>.</summary>
    public sealed record FindPartition(int Number) : ICounterMessage;

    /// <summary>The partition is on the node of the post that tells this.</summary>
    public sealed record PartitionHere(int Number) : ICounterMessage;

    /// <summary>
    /// Operations of any number of requests for owners on one node, as <see cref="WireBatch"/> writes them. Each is asked again until it is
    /// answered.
    /// </summary>
    public sealed record Ask(byte[] Bytes) : ICounterMessage;

    /// <summary>
    /// Answers to operations of one <see cref="Ask"/> or several, to each when it is there. Empty where an <see cref="Ask"/> has questions
    /// and none could be answered at once: its asker sends the next one when it hears from this node.
    /// </summary>
    public sealed record Answers(byte[] Bytes) : ICounterMessage;

    /// <summary>A mail gives back what it has reserved; no answer.</summary>
    public sealed record Release(byte[] Bytes) : ICounterMessage;

    /// <summary>
    /// For an operator: whether a key, as <see cref="CounterWire"/> writes it, is in memory on this node. The post answers with <see
    /// cref="OwnerFound"/>.
    /// </summary>
    public sealed record FindOwner(byte[] Bytes) : ICounterMessage;

    /// <summary>The answer to <see cref="FindOwner"/>.</summary>
    public sealed record OwnerFound(bool IsInMemory) : ICounterMessage;

    /// <summary>Another node has sent what no message is. Local.</summary>
    public sealed record UnknownFrame(string Fault) : INoSerializationVerificationNeeded;

    /// <summary>For an operator: the post of this node answers with <see cref="AddsCounted"/>. Local.</summary>
    public sealed class CountWaitingAdds : INoSerializationVerificationNeeded
    {
        public static readonly CountWaitingAdds Instance = new();
    }

    /// <summary>How many adds no other node has acknowledged yet, and how many of them are on the disk. Local.</summary>
    public sealed record AddsCounted(int Count, int OnDisk) : INoSerializationVerificationNeeded;

    /// <summary>To the post of the partition's own node: tell the asker that it is here. Local.</summary>
    public sealed record TellPartition(int Number, IActorRef Asker) : INoSerializationVerificationNeeded;
}
