using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;

namespace Policyd.Tests.Counters;

/// <summary>Keeps what a writer asks for, and does nothing of it.</summary>
internal sealed class RecordedWriterEffects : IWriterEffects
{
    public List<CounterCommit> Commits { get; } = [];

    public List<TimeSpan> Waits { get; } = [];

    public List<object> FlushesDone { get; } = [];

    public int Turns { get; set; }

    public int IdReads { get; private set; }

    // A batch is used again once it is committed.
    public void Commit(CounterCommit commit) => Commits.Add(commit with { Deltas = [.. commit.Deltas] });

    public void Gather(TimeSpan wait) => Waits.Add(wait);

    public void GatherWhatIsHere() => Turns++;

    public void ReadIds(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen) => IdReads++;

    public void LookUp(Guid node, long sequence)
    {
    }

    public void Pause(TimeSpan wait)
    {
    }

    public void PauseTable(string table, TimeSpan wait)
    {
    }

    public void LimitFlush(TimeSpan wait)
    {
    }

    public void RememberFormerIds(bool areKnown)
    {
    }

    public void BeginWait(Func<string> what)
    {
    }

    public void EndWait()
    {
    }

    public void Say(WriterEvent what)
    {
    }

    public void Spool(IReadOnlyList<SpoolEntry> group)
    {
    }

    public void EmptySpool()
    {
    }

    public void Deferred(int answers, string reason)
    {
    }

    public void Flushed(object asker, bool isWritten) => FlushesDone.Add(asker);
}
