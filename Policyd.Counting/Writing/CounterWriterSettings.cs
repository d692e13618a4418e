using Policyd.Counting.Owners;

namespace Policyd.Counting.Writing;

/// <summary>What a writer and a loader need to know besides the store.</summary>
/// <param name="Connection">The connection's name in the configuration, for the log.</param>
/// <param name="Clock">The clock.</param>
internal sealed record CounterWriterSettings(string Connection, TimeProvider Clock)
{
    /// <summary>For what lasts: a back-off ends in time also when the clock is put back.</summary>
    public SteadyTime Steady { get; } = new(Clock);

    /// <summary>Whether adds go to a spool before they are answered without the database.</summary>
    public bool Spools { get; init; }

    public TimeSpan FirstBackOff { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan LongestBackOff { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request id is remembered. Postfix with its defaults asks again after at most 201 s.</summary>
    public TimeSpan ResendWindow { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The most request ids that are kept in memory, 16 bytes and some overhead each.</summary>
    public int MaxPending { get; init; } = 4_000_000;

    /// <summary>From when on a database that has not answered is told to be slow.</summary>
    public TimeSpan SlowAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// From when on a database that says nothing counts as away: longer than a busy machine needs for a commit, a load or a table, and no
    /// longer than Quota and Accounting wait with the default <c>request_timeout</c>.
    /// </summary>
    public TimeSpan AwayAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a flush waits for a database that counts as away and has been asked already.</summary>
    public TimeSpan LastChance { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// How much later than the one before it a commit of what has gathered begins at least, unless enough waits for it. It costs a busy
    /// server's mail a few milliseconds and saves most of its commits.
    /// </summary>
    public TimeSpan GatherTime { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>With so many writes a batch does not wait for more.</summary>
    public int EnoughWrites { get; init; } = 32;

    /// <summary>Whether each client waits for an answer, so that none of them is about to send more.</summary>
    public Func<bool> EveryClientWaits { get; init; } = static () => false;

    /// <summary>The most keys that one load asks for.</summary>
    public int LoadBatch { get; init; } = 500;

    /// <summary>How often a wait is looked at.</summary>
    public TimeSpan LookEvery => (SlowAfter < AwayAfter ? SlowAfter : AwayAfter) / 4;
}
