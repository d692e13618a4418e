using Akka.Actor;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>Between an owner and the writer and loader of its own node. None of this ever crosses nodes.</summary>
internal static class CounterWriterProtocol
{
    /// <summary>
    /// An owner's add (or, when <paramref name="Absolute"/>, an operator's set); <paramref name="Asker"/> waits for the commit.
    /// </summary>
    public sealed record Append(
        CounterKey Key,
        CounterWindow Window,
        CounterAmounts Amounts,
        bool Absolute,
        UInt128? RequestId,
        IActorRef Asker,
        bool FirstOfOwner) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Whether one of these requests is counted, or on its way into the database; <see cref="CounterProtocol.Counted"/> comes back. Of a
    /// new owner another node, or an earlier life of this server, may have counted for its key: then the database is asked.
    /// </summary>
    public sealed record FindRequests(IReadOnlyList<UInt128> RequestIds, bool OfNewOwner) : INoSerializationVerificationNeeded;

    /// <summary>
    /// To the owner: one of its rows is committed. All adds of one commit come in one message, so that the owner's sum
    /// is never seen half updated. <paramref name="Asked"/> is what they had put in flight, resends included.
    /// </summary>
    public sealed record RowCommitted(
        CounterWindow Window,
        CounterAmounts Asked,
        int Adds,
        CounterRow Row,
        IReadOnlyList<IActorRef> Askers) : INoSerializationVerificationNeeded;

    /// <summary>
    /// To the owner: the database is away; the adds are kept and will be written, their askers should not wait for it.
    /// <paramref name="Resent"/> is what of them was counted before, and so is in flight no more: it would weigh on the key as long as the
    /// outage lasts.
    /// </summary>
    public sealed record RowDeferred(CounterWindow Window, CounterAmounts Resent, IReadOnlyList<IActorRef> Askers)
        : INoSerializationVerificationNeeded;

    /// <summary>Asks the loader for the rows of a window; <see cref="Loaded"/> or <see cref="LoadFailed"/> comes back.</summary>
    public sealed record Load(CounterKey Key, CounterWindow Window) : INoSerializationVerificationNeeded;

    public sealed record Loaded(CounterWindow Window, IReadOnlyList<CounterRow> Rows) : INoSerializationVerificationNeeded;

    public sealed record LoadFailed(CounterWindow Window) : INoSerializationVerificationNeeded;

    /// <summary>
    /// The server stops: to the loader, which refuses what it is asked for from now on. What stands behind a load in its owner is an add to
    /// be written, for which there may be no other time.
    /// </summary>
    public sealed class EndLoads : INoSerializationVerificationNeeded
    {
        public static readonly EndLoads Instance = new();
    }

    /// <summary>
    /// Answered with <see cref="Flushed"/> when all that was added before is written, or the database has turned out to be away.
    /// </summary>
    public sealed record Flush : INoSerializationVerificationNeeded;

    /// <param name="Written">False when the database is away, or refuses one of the tables.</param>
    public sealed record Flushed(bool Written) : INoSerializationVerificationNeeded;
}
