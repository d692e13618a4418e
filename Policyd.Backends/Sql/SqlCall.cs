using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace Policyd.Backends.Sql;

/// <summary>
/// One piece of work on a connection of the pool, which its caller may give up: then the connection is closed, whatever the driver does.
/// </summary>
[SuppressMessage(
    "Reliability",
    "CA1001",
    Justification = "Its source of a token has no timer and holds no handle; who gives up may come after the end.")]
internal sealed class SqlCall(SqlDatabase database, bool isRepeatable)
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _givenUp = new();
    private DbConnection? _connection;
    private volatile bool _isGivenUp;

    /// <summary>Whether what failed last was to get a connection.</summary>
    public bool IsOpening { get; private set; }

    /// <summary>
    /// Cancelled when the caller no longer waits. Not for the drivers' statements: their way to cancel waits for the server.
    /// </summary>
    public CancellationToken GivenUp => _givenUp.Token;

    /// <summary>
    /// Does the work. A connection of the pool that turns out to be dead, or of no use any more, is replaced, and the work done once more
    /// where that cannot do it twice.
    /// </summary>
    /// <param name="work">The work, with the token of <see cref="GivenUp"/>.</param>
    public async Task<T> RunAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work)
    {
        for (var isFirst = true; ; isFirst = false)
        {
            GivenUp.ThrowIfCancellationRequested();
            IsOpening = true;
            var connection = await database.OpenForCallAsync(GivenUp).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            IsOpening = false;
            try
            {
                Hold(connection);
                if (database.OnlyReads)
                {
                    await OnlyReadAsync(connection).ConfigureAwait(false);
                }

                return await work(connection, GivenUp).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                if (_isGivenUp)
                {
                    // Closed by us: it says nothing of the others in the pool.
                    throw;
                }

                database.GiveUp(connection, e);
                if (!isFirst || !database.Classify(e).IsWorthAnother(isRepeatable))
                {
                    throw;
                }
            }
            finally
            {
                Hold(null);
            }
        }
    }

    // A transaction, which ends with the use of the connection. A setting of the session could stay behind in a pooler of connections, and
    // meet a server that answers mail.
    private static async Task OnlyReadAsync(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "START TRANSACTION READ ONLY";
        await command.ExecuteNonQueryAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Nobody waits any more.</summary>
    public void GiveUp()
    {
        _isGivenUp = true;
        _ = _givenUp.CancelAsync();
        lock (_lock)
        {
            if (_connection is { } connection)
            {
                DriverSockets.Break(connection);
            }
        }
    }

    // Under the lock: once it is back in the pool it is another's.
    private void Hold(DbConnection? connection)
    {
        lock (_lock)
        {
            _connection = connection;
            if (_isGivenUp && connection is not null)
            {
                DriverSockets.Break(connection);
            }
        }
    }
}
