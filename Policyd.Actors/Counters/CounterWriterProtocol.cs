using Akka.Actor;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Between an owner and the writer and loader of its own node, besides the writes themselves (<see cref="WriteOperation"/>), the questions
/// (<see cref="FindCountedOperation"/>) and <see cref="SettledQuestion"/>. None of this ever crosses nodes.
/// </summary>
internal static class CounterWriterProtocol
{
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
    /// Keys have come to this node whose requests another node may have counted: the writer reads their ids before its next commit.
    /// </summary>
    public sealed class KeysMoved : INoSerializationVerificationNeeded
    {
        public static readonly KeysMoved Instance = new();
    }

    /// <summary>Answered with <see cref="DeferredMails"/>.</summary>
    public sealed record CountDeferred : INoSerializationVerificationNeeded;

    /// <summary>How many mails were answered and are not written, since the database is away or refuses their table.</summary>
    /// <param name="Mails">How many.</param>
    /// <param name="Spooled">How many of them are in the spool.</param>
    /// <param name="Reason">What the database last said.</param>
    public sealed record DeferredMails(long Mails, long Spooled, string Reason) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Answered with <see cref="Flushed"/> when all that was added before is written, or the database has turned out to be away.
    /// </summary>
    public sealed record Flush : INoSerializationVerificationNeeded;

    /// <param name="Written">False when the database is away, or refuses one of the tables.</param>
    public sealed record Flushed(bool Written) : INoSerializationVerificationNeeded;
}
