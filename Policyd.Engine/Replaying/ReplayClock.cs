namespace Policyd.Engine.Replaying;

/// <summary>
/// The time of recorded requests: windows, tickets and pauses are as they were then, however fast the requests are run. Timers are those of
/// the machine, since a database that is asked now takes its time now.
/// </summary>
public sealed class ReplayClock : TimeProvider
{
    private long _now = DateTimeOffset.UnixEpoch.UtcTicks;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Moves on to a time. It never goes back: a line may stand behind one of a later time.</summary>
    /// <param name="time">The time of a request.</param>
    public void MoveTo(DateTimeOffset time) => Volatile.Write(ref _now, Math.Max(Volatile.Read(ref _now), time.UtcTicks));

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _now), TimeSpan.Zero);

    /// <inheritdoc/>
    public override long GetTimestamp() => Volatile.Read(ref _now);
}
