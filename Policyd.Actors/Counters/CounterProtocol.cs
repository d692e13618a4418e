using Akka.Actor;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>Marks what may cross from one node to another; <see cref="CounterMessageSerializer"/> knows each by a short manifest.</summary>
public interface ICounterMessage;

/// <summary>A message that finds its way to the owner of a key, wherever in the cluster that is.</summary>
public interface IForCounter : ICounterMessage
{
    CounterKey Key { get; }
}

/// <summary>What asks for, or changes, one window of a key.</summary>
public interface IForWindow : IForCounter
{
    CounterWindow Window { get; }

    /// <summary>True when it can only be answered by an owner that knows the total.</summary>
    bool NeedsTotal { get; }
}

/// <summary>The words that the owner of a key understands, and what it answers. docs/counters.md tells the states and failures.</summary>
public static class CounterProtocol
{
    /// <summary>Answered with <see cref="Admitted"/>.</summary>
    public sealed record Reserve(
        CounterKey Key,
        CounterWindow Window,
        CounterMetric Metric,
        double Threshold,
        CounterAmounts Amounts,
        string Instance) : IForWindow
    {
        public bool NeedsTotal => true;
    }

    /// <summary>Answered with <see cref="Reading"/> once it is committed, or at once as deferred while the database is away.</summary>
    public sealed record Add(
        CounterKey Key,
        CounterWindow Window,
        CounterAmounts Amounts,
        string Instance,
        UInt128? RequestId) : IForWindow
    {
        public bool NeedsTotal => false;
    }

    /// <summary>Answered with <see cref="Reading"/>.</summary>
    public sealed record Read(CounterKey Key, CounterWindow Window) : IForWindow
    {
        public bool NeedsTotal => true;
    }

    /// <summary>Whether one of these requests is counted already. Answered with <see cref="Counted"/>.</summary>
    public sealed record FindCounted(CounterKey Key, IReadOnlyList<UInt128> RequestIds) : IForCounter;

    /// <summary>The mail has ended without being counted; no answer.</summary>
    public sealed record Release(CounterKey Key, string Instance) : IForCounter;

    /// <summary>What an operator asks: the sums and the reservations beside them. Answered with <see cref="Inspected"/>.</summary>
    public sealed record Inspect(CounterKey Key, CounterWindow Window) : IForWindow
    {
        public bool NeedsTotal => true;
    }

    /// <summary>
    /// An operator's word: the chosen sums of the window become these, the others stay. Answered with <see cref="Changed"/> once it
    /// is committed. The rows are read anew before, so that what another writer has counted meanwhile is not undone.
    /// </summary>
    public sealed record SetSums(CounterKey Key, CounterWindow Window, CounterAmounts Amounts, CounterSums Which) : IForWindow
    {
        public bool NeedsTotal => true;
    }

    public sealed record Reading(CounterReading Value) : ICounterMessage;

    public sealed record Counted(bool Yes) : ICounterMessage;

    /// <summary>The sums, and what <paramref name="Mails"/> mails that are not counted yet hold beside them.</summary>
    public sealed record Inspected(CounterReading Value, CounterAmounts Reserved, int Mails) : ICounterMessage;

    /// <summary>
    /// What an operator's set did. Deferred: it is kept, and written when the database is back; unavailable: nothing was changed.
    /// </summary>
    public sealed record Changed(CounterState State, CounterAmounts Before, CounterAmounts After) : ICounterMessage;

    public sealed record Admitted(Admission Value) : ICounterMessage;

    /// <summary>
    /// The server stops, the shard moves or the key fell quiet: what is in flight is committed first, then the owner stops. Local: it is
    /// sent by the owner's parent.
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
    /// be lost. Local.
    /// </summary>
    public sealed class LookWhetherIdle : INoSerializationVerificationNeeded
    {
        public static readonly LookWhetherIdle Instance = new();

        private LookWhetherIdle()
        {
        }
    }

    /// <summary>An owner on a server that is alone would end, if its parent agrees; answered with <see cref="Drain"/>. Local.</summary>
    internal sealed record FellQuiet(CounterKey Key) : INoSerializationVerificationNeeded;

    /// <summary>The server stops: all owners of a server that is alone drain. Answered with <see cref="AllDrained"/>. Local.</summary>
    internal sealed class DrainAll : INoSerializationVerificationNeeded
    {
        public static readonly DrainAll Instance = new();

        private DrainAll()
        {
        }
    }

    /// <summary>There is no owner any more. Local.</summary>
    internal sealed class AllDrained : INoSerializationVerificationNeeded
    {
        public static readonly AllDrained Instance = new();

        private AllDrained()
        {
        }
    }
}
