using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>What another node was asked and has not answered.</summary>
/// <param name="Operation">The question.</param>
/// <param name="Partition">The partition of its key.</param>
/// <param name="Since">When it came, by the steady clock.</param>
internal sealed record PendingOperation(CounterOperation Operation, int Partition, DateTimeOffset Since)
{
    public DateTimeOffset SentAt { get; set; }

    public bool WasSent { get; set; }

    /// <summary>A set that is done twice would undo what was counted between.</summary>
    public bool MayBeSent => !WasSent || Operation is not SetSumsOperation;

    /// <summary>Whether an add is on the disk.</summary>
    public KeptState Kept { get; set; }
}

/// <summary>Whether an add that another node has not acknowledged is on the disk.</summary>
internal enum KeptState
{
    /// <summary>It is not.</summary>
    No,

    /// <summary>It is being written.</summary>
    OnItsWay,

    /// <summary>It is, and synced.</summary>
    Yes,

    /// <summary>It is acknowledged.</summary>
    NoMore,
}
