using Policyd.Counting.Spool;
using Policyd.Counting.Store;

namespace Policyd.Counting.Writing;

/// <summary>What a <see cref="CounterWriter"/> has done by others. Answers are written into the operations themselves.</summary>
internal interface IWriterEffects
{
    /// <summary>To be committed; <see cref="CounterWriter.OnCommitted"/> or <see cref="CounterWriter.OnFailed"/> comes back.</summary>
    void Commit(CounterCommit commit);

    /// <summary>
    /// Whether a commit is in the database; <see cref="CounterWriter.OnLookedUp"/> or <see cref="CounterWriter.OnFailed"/> comes back.
    /// </summary>
    void LookUp(Guid node, long sequence);

    /// <summary>
    /// The ids that others have committed; <see cref="CounterWriter.OnIdsRead"/> or <see cref="CounterWriter.OnFailed"/> comes back.
    /// </summary>
    void ReadIds(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen);

    /// <summary>
    /// <see cref="CounterWriter.OnGathered"/> comes after so long; a second call takes the place of the first. It may come too soon.
    /// </summary>
    void Gather(TimeSpan wait);

    /// <summary><see cref="CounterWriter.OnGathered"/> comes behind what has been handed over by now.</summary>
    void GatherWhatIsHere();

    /// <summary><see cref="CounterWriter.OnPauseOver"/> comes after so long; a second call takes the place of the first.</summary>
    void Pause(TimeSpan wait);

    /// <summary><see cref="CounterWriter.OnTablePauseOver"/> comes after so long.</summary>
    void PauseTable(string table, TimeSpan wait);

    /// <summary><see cref="CounterWriter.OnFlushTooLate"/> comes after so long.</summary>
    void LimitFlush(TimeSpan wait);

    /// <summary>
    /// Whether adds are to bring ids of version 1 besides their own from now on. They are from the start, until this says otherwise.
    /// </summary>
    void RememberFormerIds(bool areKnown);

    /// <summary>The database is waited for from now on.</summary>
    /// <param name="what">What for, in words; made only when it is needed.</param>
    void BeginWait(Func<string> what);

    /// <summary>It has answered, or said that it is away.</summary>
    void EndWait();

    /// <summary>Something that operators are told.</summary>
    void Say(WriterEvent what);

    /// <summary>To be written into the spool and synced; <see cref="CounterWriter.OnSpooled"/> comes back. One group at a time.</summary>
    void Spool(IReadOnlyList<SpoolEntry> group);

    /// <summary>All that is in the spool is in the database.</summary>
    void EmptySpool();

    /// <summary>So many were answered before they were counted.</summary>
    void Deferred(int answers, string reason);

    /// <summary>A flush is over.</summary>
    /// <param name="asker">Who asked for it.</param>
    /// <param name="isWritten">Whether all that had come before it is in the database.</param>
    void Flushed(object asker, bool isWritten);
}

/// <summary>What operators are told of a writer.</summary>
internal abstract record WriterEvent
{
    /// <summary>Nobody waits for the database any more.</summary>
    public sealed record WentAway(string Reason) : WriterEvent;

    /// <summary>It takes writes again.</summary>
    public sealed record CameBack : WriterEvent;

    /// <summary>It refuses one table.</summary>
    public sealed record TableRefused(string Table, string Reason, bool IsNew) : WriterEvent;

    /// <summary>The spool took nothing, so that so many were not counted.</summary>
    public sealed record NotSpooled(string Reason, int Writes) : WriterEvent;

    /// <summary>The others of the cluster have fenced this node: it writes nothing any more.</summary>
    public sealed record WasFenced(string Reason) : WriterEvent;

    /// <summary>It takes that table again.</summary>
    public sealed record TableTaken(string Table) : WriterEvent;
}
