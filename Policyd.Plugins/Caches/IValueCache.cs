namespace Policyd.Plugins.Caches;

/// <summary>
/// A cache server that several policy servers may share: memcached or Redis. Values go by themselves after a time. While a server is away
/// calls fail at once, and it is asked again after a pause; that it is away the connection logs, not its callers.
/// </summary>
public interface IValueCache
{
    /// <summary>The value of a key; null when there is none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="ct">The request's deadline.</param>
    /// <exception cref="CacheException">The server is away, does not answer in time, or does not answer as it should.</exception>
    ValueTask<byte[]?> GetAsync(string key, CancellationToken ct);

    /// <summary>Sets a value for a time, whatever was there.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time.</param>
    /// <param name="ct">The request's deadline.</param>
    /// <exception cref="CacheException">The same.</exception>
    ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct);

    /// <summary>Sets a value where there is none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes.</param>
    /// <param name="ct">The request's deadline.</param>
    /// <returns>Whether there was none.</returns>
    /// <exception cref="CacheException">The same.</exception>
    ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct);

    /// <summary>Forgets a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="ct">The request's deadline.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="CacheException">The same.</exception>
    ValueTask<bool> DeleteAsync(string key, CancellationToken ct);
}

/// <summary>A cache server is away, or does not answer as one does. The connection has logged it; the message holds no secret.</summary>
/// <param name="message">What is the matter.</param>
/// <param name="inner">The cause.</param>
public sealed class CacheException(string message, Exception? inner = null) : Exception(message, inner);
