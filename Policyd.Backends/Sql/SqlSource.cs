using System.Data.Common;
using System.Net.Sockets;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>
/// How the modules of a SQL connection ask its database: each caller waits to his own deadline and no longer, whatever the driver does, and
/// all of them share what is known of the database. One that cannot be reached, or gives no sign of life, is left alone for a pause, and
/// then tried by one caller. A statement that is only slow is no such sign: after it the database is asked for a sign of life, and others
/// wait for that, not for a slow statement.
/// </summary>
internal sealed class SqlSource : IDisposable
{
    // A request's own share of the time is a few seconds; a machine that is busy with mail takes less than this for an empty statement.
    private static readonly TimeSpan s_signOfLife = TimeSpan.FromSeconds(2);
    private const string Kind = "sql";
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(10);

    // Given up and not over yet. Their connections are closed, so they end at once, except those that a driver is still opening, or
    // SQLite's.
    private const int MostGivenUp = 64;

    private readonly SqlDatabase _database;
    private readonly BackOff _backOff = new(TimeProvider.System, longest: s_longestPause);
    private readonly WorkThreads? _threads;
    private readonly Lock _lock = new();
    private Task _asking = Task.CompletedTask;
    private volatile string _why = "is unavailable";
    private int _givenUp;

    public SqlSource(SqlDatabase database)
    {
        _database = database;

        // SQLite works in the calling thread, for as long as the disk or a lock takes. The threads of the pool are those that answer mail.
        _threads = database.Provider == SqlProvider.SQLite ? new WorkThreads("policyd sqlite", 8) : null;
    }

    /// <summary>The name of the configured connection; empty outside a configuration.</summary>
    public string Name { get; set; } = "";

    /// <summary>Runs a piece of work on a connection of the pool.</summary>
    /// <param name="work">The work.</param>
    /// <param name="isRepeatable">Whether it may be done twice; if not, it is tried again only where the server has said that it did
    /// nothing.</param>
    /// <param name="ct">The caller's deadline.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    public async Task<T> RunAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, bool isRepeatable, CancellationToken ct)
    {
        var since = TimeProvider.System.GetTimestamp();
        await SettledAsync(since, ct).ConfigureAwait(false);
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused || Volatile.Read(ref _givenUp) >= MostGivenUp)
        {
            SourceMetrics.Suppressed(Kind, Name);
            throw Away(null);
        }

        var call = new SqlCall(_database, isRepeatable);
        var running = StartAsync(call, work);
        try
        {
            var result = await running.WaitAsync(ct).ConfigureAwait(false);
            attempt.Succeeded();
            SourceMetrics.Answered(Kind, Name, since);
            return result;
        }
        catch (OperationCanceledException e) when (ct.IsCancellationRequested)
        {
            GiveUp(call, running);
            AskForSignOfLife();
            SourceMetrics.Failed(Kind, Name);
            throw new SqlAwayException($"{_database.Description}: {Waited.TimedOut(TimeProvider.System, since)}", e);
        }
        catch (Exception e)
        {
            // What else is thrown is of the statement or of us: a value that .NET has no type for.
            var fault = e is DbException or IOException or SocketException or TimeoutException or ObjectDisposedException
                ? _database.Classify(e)
                : default;
            if (!call.IsOpening && !fault.ConnectionLost)
            {
                attempt.Succeeded();
                SourceMetrics.Answered(Kind, Name, since);
                throw;
            }

            _why = fault.Message ?? e.Message;
            attempt.Failed();
            throw Away(e);
        }
    }

    public void Dispose() => _threads?.End();

    private SqlAwayException Away(Exception? cause)
    {
        SourceMetrics.Failed(Kind, Name);
        return cause is null
            ? new SqlAwayException($"{_database.Description}: {_why}")
            : new SqlAwayException($"{_database.Description}: {_why}", cause);
    }

    // Away from the caller's scheduler, which may be an actor's.
    private Task<T> StartAsync<T>(SqlCall call, Func<DbConnection, CancellationToken, Task<T>> work)
    {
        if (_threads is null)
        {
            return Task.Run(() => call.RunAsync(work), CancellationToken.None);
        }

        // The asynchronous calls of Microsoft.Data.Sqlite end before they return, so that this task is over when it is looked at.
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _threads.Run(() => result.SetFromTask(Finished(call.RunAsync(work))));
        return result.Task;
    }

    private static Task<T> Finished<T>(Task<T> task)
    {
        ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        return task;
    }

    private void GiveUp(SqlCall call, Task running)
    {
        Interlocked.Increment(ref _givenUp);
        _ = running.ContinueWith(
            ended =>
            {
                _ = ended.Exception;
                Interlocked.Decrement(ref _givenUp);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        call.GiveUp();
    }

    // Whoever comes while nobody knows whether the database lives waits for that to be known.
    private async ValueTask SettledAsync(long since, CancellationToken ct)
    {
        if (Volatile.Read(ref _asking) is { IsCompleted: false } asking)
        {
            try
            {
                await asking.WaitAsync(ct).ConfigureAwait(false);
            }
            catch (OperationCanceledException e)
            {
                throw new SqlAwayException($"{_database.Description}: {Waited.TimedOut(TimeProvider.System, since)}", e);
            }
        }
    }

    private void AskForSignOfLife()
    {
        lock (_lock)
        {
            if (_asking.IsCompleted)
            {
                Volatile.Write(ref _asking, Task.Run(AskAsync));
            }
        }
    }

    private async Task AskAsync()
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            return;
        }

        var call = new SqlCall(_database, isRepeatable: true);
        var running = StartAsync(call, SignOfLifeAsync);
        try
        {
            await running.WaitAsync(s_signOfLife).ConfigureAwait(false);
            attempt.Succeeded();
        }
        catch (Exception e)
        {
            _why = e is TimeoutException && !running.IsCompleted ? "does not answer" : _database.Classify(e).Message;
            attempt.Failed();
            if (!running.IsCompleted)
            {
                GiveUp(call, running);
            }
        }
    }

    private static async Task<bool> SignOfLifeAsync(DbConnection connection, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT 1";
        return await command.ExecuteScalarAsync(CancellationToken.None).ConfigureAwait(false) is not null;
    }
}
