using System.Collections.Concurrent;

namespace Policyd.Plugins.Sources;

/// <summary>
/// Connections that are kept for the next question. A firewall forgets one on which nothing is said and tells neither side: what is sent on
/// it is never answered. So one that was idle for a minute is closed instead of used.
/// </summary>
/// <typeparam name="T">A connection.</typeparam>
/// <param name="clock">The clock.</param>
/// <param name="most">How many are kept at most; further ones are closed.</param>
public sealed class KeptConnections<T>(TimeProvider clock, int most) : IAsyncDisposable
    where T : class, IAsyncDisposable
{
    private static readonly TimeSpan s_longestIdle = TimeSpan.FromMinutes(1);

    private readonly ConcurrentBag<(T Connection, long Since)> _idle = [];
    private volatile bool _isDisposed;

    /// <summary>Takes one that was not idle for too long, and closes those that were; null when none is left.</summary>
    public async ValueTask<T?> TakeAsync()
    {
        while (_idle.TryTake(out var idle))
        {
            if (clock.GetElapsedTime(idle.Since) <= s_longestIdle)
            {
                return idle.Connection;
            }

            await idle.Connection.DisposeAsync().ConfigureAwait(false);
        }

        return null;
    }

    /// <summary>Keeps one on which a question was answered whole; closes it where enough are kept.</summary>
    /// <param name="connection">The connection.</param>
    public ValueTask KeepAsync(T connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (_isDisposed || _idle.Count >= most)
        {
            return connection.DisposeAsync();
        }

        _idle.Add((connection, clock.GetTimestamp()));
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Closes all of them, as after a question without an answer: if the way to the server has lost one, it has lost the others too, and
    /// each would cost a mail its time.
    /// </summary>
    public async ValueTask CloseAsync()
    {
        while (_idle.TryTake(out var idle))
        {
            await idle.Connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Closes all of them, and keeps none any more.</summary>
    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        return CloseAsync();
    }
}
