namespace Policyd.Plugins.Caches;

/// <summary>A cache server that can also count, as Redis does.</summary>
public interface ICountingCache : IValueCache
{
    /// <summary>Adds one to the number of a key, which is 0 when there is none, and gives it that life from now on.</summary>
    /// <param name="key">The key.</param>
    /// <param name="life">The time after which it goes.</param>
    /// <param name="ct">The request's deadline.</param>
    /// <returns>The number.</returns>
    /// <exception cref="CacheException">The server is away, does not answer in time, or does not answer as it should.</exception>
    ValueTask<long> CountAsync(string key, TimeSpan life, CancellationToken ct);
}
