namespace Policyd.Plugins.Expiring;

/// <summary>Values that go by themselves after a time: greylisting's tickets, the addresses that a honeypot has trapped.</summary>
internal interface IExpiringStore
{
    /// <summary>The value of a key; null when there is none, or its time has run out.</summary>
    ValueTask<long?> FindAsync(string key, CancellationToken ct);

    /// <summary>Sets a value where there is none. One that is there keeps its value and its time.</summary>
    ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct);

    /// <summary>Sets a value for a time, whatever was there.</summary>
    ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct);

    /// <summary>Forgets a key.</summary>
    ValueTask RemoveAsync(string key, CancellationToken ct);

    /// <summary>Deletes what has run out, where it does not go by itself.</summary>
    ValueTask PurgeAsync(CancellationToken ct);
}

/// <summary>Where tickets or traps rest.</summary>
public enum ExpiringModule
{
    /// <summary>In this server's memory.</summary>
    Memory,

    /// <summary>In a table of a SQL connection.</summary>
    Sql,

    /// <summary>In memcached.</summary>
    Memcached,

    /// <summary>In Redis.</summary>
    Redis,
}
