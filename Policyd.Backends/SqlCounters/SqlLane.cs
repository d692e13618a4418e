using System.Data.Common;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// One connection that is kept open and used by one call at a time. After any failure it is given up, also when another lane of the same
/// database failed, and another is opened: for the next call, and for this one where the connection turned out to be dead. Drivers'
/// exceptions come out as <see cref="CounterStoreException"/>. With a thread of its own (SQLite, whose calls block for as long as the disk
/// takes) no thread of the pool is held. A caller who gives up goes on at once, and the connection is closed under the driver, which would
/// wait for its server: see <see cref="DriverSockets"/>.
/// </summary>
internal sealed class SqlLane : IAsyncDisposable
{
    private static readonly TimeSpan s_lastWait = TimeSpan.FromSeconds(2);

    private readonly SqlDatabase _database;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly WorkThreads? _work;
    private DbConnection? _connection;
    private volatile bool _isGivenUp;
    private volatile bool _disposed;

    public SqlLane(SqlDatabase database, bool ownThread)
    {
        _database = database;
        _work = ownThread ? new WorkThreads("policyd sqlite", 1) : null;
        database.GivenUp += OnGivenUp;
    }

    /// <summary>
    /// The connection is about to be closed: statements that were prepared on it must go before it, or SQLite keeps its files open for
    /// them.
    /// </summary>
    public event Action? Closing;

    /// <summary>Runs a piece of work on the connection.</summary>
    /// <param name="work">The work; it leaves no transaction open when it succeeds, and may be done twice unless it commits.</param>
    /// <param name="committing">Asked when the connection broke: whether a COMMIT may have reached the database. Such work is waited for to
    /// its end.</param>
    /// <param name="ct">Ends the wait for the lane and, unless it commits, the work.</param>
    public async Task<T> RunAsync<T>(
        Func<DbConnection, CancellationToken, Task<T>> work, CancellationToken ct, Func<bool>? committing = null)
    {
        await _gate.WaitAsync(ct).ConfigureAwait(false);
        var running = LeaveAfterAsync(work, committing, ct);
        if (committing is not null)
        {
            return await running.ConfigureAwait(false);
        }

        try
        {
            return await running.WaitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!running.IsCompleted)
        {
            Interrupt();
            _ = running.ContinueWith(
                static ended => _ = ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw;
        }
    }

    /// <summary>Waits a while for the call that runs, ends it if it must, and closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _database.GivenUp -= OnGivenUp;
        if (!await _gate.WaitAsync(s_lastWait).ConfigureAwait(false))
        {
            // The call closes the connection when it ends.
            Interrupt();
            _work?.End();
            return;
        }

        try
        {
            await CloseAsync().ConfigureAwait(false);
            _work?.End();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<T> LeaveAfterAsync<T>(
        Func<DbConnection, CancellationToken, Task<T>> work, Func<bool>? committing, CancellationToken ct)
    {
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // Away from the caller's scheduler, which may be an actor's.
            return await (_work is null
                ? Task.Run(() => AttemptAsync(work, committing, ct), CancellationToken.None)
                : OnThreadAsync(work, committing, ct)).ConfigureAwait(false);
        }
        finally
        {
            await CloseIfGivenUpAsync().ConfigureAwait(false);
            _gate.Release();
        }
    }

    private void Interrupt()
    {
        if (Volatile.Read(ref _connection) is { } connection)
        {
            DriverSockets.Close(connection);
        }
    }

    // A kept connection that turns out to be dead, or of no use any more, is replaced, and the work done once more, unless a COMMIT may
    // have got through.
    private async Task<T> AttemptAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, Func<bool>? committing, CancellationToken ct)
    {
        for (var isFirst = true; ; isFirst = false)
        {
            try
            {
                await CloseIfGivenUpAsync().ConfigureAwait(false);
                _connection ??= await _database.OpenKeptAsync(ct).ConfigureAwait(false);
                ct.ThrowIfCancellationRequested();
                // What has a socket is closed when its caller gives up; a driver that was to cancel would wait for the server.
                return await work(_connection, _work is null ? CancellationToken.None : ct).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                var failed = _connection;
                if (failed is not null)
                {
                    _database.GiveUp(failed, e);
                }

                await CloseAsync().ConfigureAwait(false);
                if (e is CounterStoreException || (e is OperationCanceledException && ct.IsCancellationRequested))
                {
                    throw;
                }

                if (committing is null)
                {
                    ct.ThrowIfCancellationRequested();
                }

                var mayBeDone = committing?.Invoke() ?? false;
                if (failed is null
                    || !isFirst
                    || _disposed
                    || ct.IsCancellationRequested
                    || mayBeDone
                    || !_database.Classify(e).IsWorthAnother(isRepeatable: true))
                {
                    throw Translate(e, mayBeDone);
                }
            }
        }
    }

    // The asynchronous calls of Microsoft.Data.Sqlite end before they return, so that this task is over when it is looked at.
    private Task<T> OnThreadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, Func<bool>? committing, CancellationToken ct)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work!.Run(
            () =>
            {
                try
                {
                    result.SetResult(AttemptAsync(work, committing, ct).GetAwaiter().GetResult());
                }
                catch (OperationCanceledException e)
                {
                    result.SetCanceled(e.CancellationToken);
                }
                catch (Exception e)
                {
                    result.SetException(e);
                }
            });
        return result.Task;
    }

    private CounterStoreException Translate(Exception exception, bool committing)
    {
        var fault = _database.Classify(exception);
        return committing && fault.ConnectionLost
            ? new CounterStoreException(
                CounterStoreFailure.CommitUnknown,
                $"{_database.Description}: the connection broke during a commit, which may have happened: {fault.Message}",
                exception)
            : new CounterStoreException(fault.Failure, $"{_database.Description}: {fault.Message}", exception);
    }

    /// <summary>Closed at once when no call runs, else at its end.</summary>
    private void OnGivenUp()
    {
        _isGivenUp = true;
        if (_gate.Wait(0))
        {
            // The one who gave it up does not wait until it is closed.
            _ = CloseAndReleaseAsync();
        }
    }

    private async Task CloseAndReleaseAsync()
    {
        try
        {
            await CloseIfGivenUpAsync().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask CloseIfGivenUpAsync()
    {
        if (_isGivenUp || _disposed)
        {
            _isGivenUp = false;
            await CloseAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask CloseAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
        {
            Closing?.Invoke();
            try
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }
            catch (DbException)
            {
                // It is being given up because it failed; that closing fails too tells nothing more.
            }
        }
    }
}
