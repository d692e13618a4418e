namespace Policyd.Actors.Clustering;

/// <summary>
/// Whether this process has stood still for long, by a signal or with its machine. It then goes on with what it knew, though others may
/// have taken it for lost and count its keys by now. So after such a stop its counters are checked again only once the database has told
/// that its row is still there.
/// </summary>
/// <param name="clock">The clock.</param>
/// <param name="longest">The longest stop that nobody takes it for lost after.</param>
internal sealed class SleepWatch(TimeProvider clock, TimeSpan longest)
{
    private long _seen = clock.GetTimestamp();
    private int _sleeps;
    private int _confirmed;

    /// <summary>How often it has stood still.</summary>
    public int Sleeps => Volatile.Read(ref _sleeps);

    /// <summary>Whether it has not stood still since the database last told that its row is there. From any thread.</summary>
    public bool IsSure =>
        clock.GetElapsedTime(Volatile.Read(ref _seen)) <= longest && Volatile.Read(ref _sleeps) == Volatile.Read(ref _confirmed);

    /// <summary>To be called several times in the longest stop, by one thread.</summary>
    /// <returns>How long it has stood still, if for long; else null.</returns>
    public TimeSpan? Look()
    {
        var now = clock.GetTimestamp();
        var since = clock.GetElapsedTime(_seen, now);
        if (since <= longest)
        {
            Volatile.Write(ref _seen, now);
            return null;
        }

        // In this order: between the two, no reader takes it for sure.
        Volatile.Write(ref _sleeps, _sleeps + 1);
        Volatile.Write(ref _seen, now);
        return since;
    }

    /// <summary>The row was there.</summary>
    /// <param name="sleeps">How often it had stood still when the database was asked: a later stop is not known to the answer.</param>
    public void Confirm(int sleeps) => Volatile.Write(ref _confirmed, sleeps);
}
