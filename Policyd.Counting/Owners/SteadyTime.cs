namespace Policyd.Counting.Owners;

/// <summary>
/// A time that only goes forward, at the pace of the machine's monotonic clock: for what lasts so long, like a reservation or a pause. A
/// wall clock that is put back by a day would make it last a day longer; one that is put forward would end it at once.
/// </summary>
internal sealed class SteadyTime(TimeProvider clock)
{
    private readonly DateTimeOffset _start = clock.GetUtcNow();
    private readonly long _timestamp = clock.GetTimestamp();

    /// <summary>To be compared with other readings of this object, and with nothing else.</summary>
    public DateTimeOffset Now => _start + clock.GetElapsedTime(_timestamp);
}
