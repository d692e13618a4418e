namespace Policyd.Plugins.Expiring;

/// <summary>
/// Values that go by themselves after a time, as greylisting's tickets do. A connection may offer it (see
/// <see cref="Connections.ConnectionModuleAttribute.Offers"/>): plugins then keep their values there. A store is asked by many requests at
/// the same time.
/// </summary>
/// <remarks>
/// Every call throws an <see cref="OperationCanceledException"/> when the token is cancelled, and a
/// <see cref="System.Data.Common.DbException"/> or a <see cref="Caches.CacheException"/> when the store cannot be reached or does not
/// answer as it should. A plugin that does not catch them has failed, and its <c>on_error</c> decides.
/// </remarks>
public interface IExpiringStore
{
    /// <summary>The value of a key; null when there is none, or its time has run out.</summary>
    /// <param name="key">The key, which all plugins share that use the store: begin it with the plugin's name.</param>
    /// <param name="ct">The request's deadline, such as that of <see cref="Sources.SourceTime"/>.</param>
    ValueTask<long?> FindAsync(string key, CancellationToken ct);

    /// <summary>Sets a value where there is none. One that is there keeps its value and its time.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes; whole seconds, at least one.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct);

    /// <summary>Sets a value for a time, whatever was there.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes; whole seconds, at least one.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct);

    /// <summary>Forgets a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask RemoveAsync(string key, CancellationToken ct);

    /// <summary>
    /// Deletes what has run out, where it does not go by itself, as in SQL. A plugin that uses a store calls it in a cron task.
    /// </summary>
    /// <param name="ct">The end of the server.</param>
    ValueTask PurgeAsync(CancellationToken ct);
}
