using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Spool;

/// <summary>One add (or an operator's set) that is answered before it is in the database.</summary>
/// <param name="Number">Its number in the life of the server that wrote it: 1, 2, and so on. Of one table the commits go in this
/// order.</param>
/// <param name="Sequence">The commit that was under way with it when the database went away; 0: none.</param>
/// <param name="At">When it was spooled, by the clock of the node.</param>
/// <param name="Table">The counter table.</param>
/// <param name="Key">The counter's key.</param>
/// <param name="Time">The window's text.</param>
/// <param name="Amounts">What is added, or what the row becomes.</param>
/// <param name="IsAbsolute">True for an operator's set.</param>
/// <param name="RequestId">What its request is known by; null: always counted.</param>
/// <param name="IdFormat">How the request id is made.</param>
internal sealed record SpoolEntry(
    long Number,
    long Sequence,
    DateTimeOffset At,
    string Table,
    string Key,
    string Time,
    CounterAmounts Amounts,
    bool IsAbsolute,
    UInt128? RequestId,
    int IdFormat)
{
    /// <summary>
    /// Whether its key's owner can tell that it is counted already, by its request id: in a cluster such an entry is the owner's to count.
    /// </summary>
    public bool IsForItsOwner => !IsAbsolute && RequestId is not null && IdFormat != CommittedIds.FirstFormat;
}

/// <summary>The head of a spool file: whose it is.</summary>
/// <param name="Node">The life of the writer that wrote it, as its commits name it.</param>
/// <param name="Connection">The connection's name in the configuration.</param>
/// <param name="Database">The database that the connection named then, without secrets.</param>
internal sealed record SpoolHeader(Guid Node, string Connection, string Database);
