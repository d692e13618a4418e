using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// What owners and partitions are told on their own node, besides the operations themselves (<see cref="CounterOperation"/>). None of this
/// crosses nodes: see <see cref="CounterPostProtocol"/>. docs/counters.md tells the states and failures.
/// </summary>
internal static class CounterProtocol
{
    /// <summary>The mail gives back what it has reserved, in one window or in all; no answer.</summary>
    public sealed record Release(CounterKey Key, MailId Mail, CounterWindow? Window) : INoSerializationVerificationNeeded;

    /// <summary>
    /// The server stops, the partition moves or the key fell quiet: what is in flight is committed first, then the owner ends.
    /// </summary>
    public sealed class Drain : INoSerializationVerificationNeeded
    {
        public static readonly Drain Instance = new(forGood: false);

        /// <summary>There is no next life: what the writer keeps while the database is away need not be waited for.</summary>
        public static readonly Drain ForGood = new(forGood: true);

        private Drain(bool forGood) => IsForGood = forGood;

        public bool IsForGood { get; }
    }

    /// <summary>
    /// Comes from time to time (<see cref="PassivationActor"/>): an owner that nobody has asked since the one before ends, if nothing would
    /// be lost.
    /// </summary>
    public sealed class LookWhetherIdle : INoSerializationVerificationNeeded
    {
        public static readonly LookWhetherIdle Instance = new(isAway: false);

        /// <summary>The database is away: a sum that is known stays known.</summary>
        public static readonly LookWhetherIdle WhileAway = new(isAway: true);

        private LookWhetherIdle(bool isAway) => IsAway = isAway;

        public bool IsAway { get; }
    }

    /// <summary>To an owner, from its writer: see <see cref="IRowOwner.TellSettled"/>.</summary>
    public sealed record Settled(uint Number, bool IsSettled) : INoSerializationVerificationNeeded;

    /// <summary>To an owner, from its writer: see <see cref="IRowOwner.TellCounted"/>.</summary>
    public sealed record Counted(FindCountedOperation Find) : INoSerializationVerificationNeeded;

    /// <summary>To a partition: an owner would end; answered with <see cref="Drain"/>.</summary>
    public sealed record FellQuiet(OwnerEntry Owner) : INoSerializationVerificationNeeded;

    /// <summary>To a partition: an owner cannot take this any more; it is the first of its next life.</summary>
    public sealed record HandedBack(CounterOperation Operation) : INoSerializationVerificationNeeded;

    /// <summary>To a partition: an owner has ended, whether it was told to or has failed.</summary>
    public sealed record OwnerEnded(OwnerEntry Owner) : INoSerializationVerificationNeeded;

    /// <summary>To a partition: the server stops, and all owners drain. Answered with <see cref="AllDrained"/>.</summary>
    public sealed class DrainAll : INoSerializationVerificationNeeded
    {
        public static readonly DrainAll Instance = new();

        private DrainAll()
        {
        }
    }

    /// <summary>To a partition of a cluster: its keys move to another node. It drains and ends.</summary>
    public sealed class HandOver : INoSerializationVerificationNeeded
    {
        public static readonly HandOver Instance = new();

        private HandOver()
        {
        }
    }

    /// <summary>There is no owner any more.</summary>
    public sealed class AllDrained : INoSerializationVerificationNeeded
    {
        public static readonly AllDrained Instance = new();

        private AllDrained()
        {
        }
    }
}
