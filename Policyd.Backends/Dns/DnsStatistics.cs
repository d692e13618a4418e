namespace Policyd.Backends.Dns;

/// <summary>What one resolver has done since its start.</summary>
internal sealed class DnsStatistics
{
    private long _lookups;
    private long _suppressed;

    /// <summary>Queries that were sent.</summary>
    public long Lookups => Volatile.Read(ref _lookups);

    /// <summary>Queries that were not sent, because their zone does not answer.</summary>
    public long Suppressed => Volatile.Read(ref _suppressed);

    public void Send() => Interlocked.Increment(ref _lookups);

    public void Suppress() => Interlocked.Increment(ref _suppressed);
}
