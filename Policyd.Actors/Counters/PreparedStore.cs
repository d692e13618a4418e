using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Counters;

/// <summary>
/// A store whose tables are created, or taken over from mtpolicyd, before they are first used. That may be long after the
/// start: the database can be away then. What was done to a table is logged once. A table is prepared by one call at a time, which goes on
/// when those who wait for it have given up: to take over a large table takes longer than a mail waits.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its writer stops it.")]
internal sealed class PreparedStore(string connection, ICounterStore store, ILogger logger, ConnectionSpool? spool = null)
{
    // An index of a large table is made in less; and a server that fell silent in the middle of it is not waited for until the next start.
    private static readonly TimeSpan s_longest = TimeSpan.FromHours(1);

    // Before a lock that somebody holds is tried again.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, CounterTableInfo> _prepared = [];
    private readonly Dictionary<string, Task> _preparing = [];
    private readonly CancellationTokenSource _stopped = new();
    private readonly SpoolReplay? _replay = spool?.Replay(store);
    private bool _hasFormerIds = true;

    // A setting is the whole server's: told once, not for each table.
    private readonly ConcurrentDictionary<string, bool> _warned = [];

    /// <summary>
    /// Whether ids of version 1 are remembered of it, as far as its writer knows: true until the writer has read what is counted.
    /// </summary>
    public bool HasFormerIds
    {
        get => Volatile.Read(ref _hasFormerIds);
        set => Volatile.Write(ref _hasFormerIds, value);
    }

    /// <summary>The name of its connection.</summary>
    public string Connection { get; } = connection;

    /// <summary>
    /// Whether the database answers a question in time. One that refuses to answer is there; one that is locked is not of use now.
    /// </summary>
    public async Task<bool> AnswersAsync(TimeSpan within)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token);
        timeout.CancelAfter(within);
        var token = timeout.Token;
        try
        {
            // Away from the caller, who has a thread to keep free: SQLite works in the calling thread.
            await Task.Run(() => store.IsCommittedAsync(Guid.Empty, 0, token), token).WaitAsync(token).ConfigureAwait(false);
            return true;
        }
        catch (CounterStoreException exception)
        {
            return exception.Failure is CounterStoreFailure.Refused or CounterStoreFailure.Schema;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Whether it is around that database.</summary>
    public bool IsOf(ICounterStore other) => ReferenceEquals(store, other);

    /// <summary>What is known of a table; null before it was prepared.</summary>
    public CounterTableInfo? InfoOf(string table) => _prepared.GetValueOrDefault(table);

    /// <summary>Prepares what is not prepared yet. The token ends the wait, not the work.</summary>
    public async Task PrepareAsync(IEnumerable<string> tables, CancellationToken ct)
    {
        foreach (var table in tables)
        {
            if (!_prepared.ContainsKey(table))
            {
                await Preparing(table).WaitAsync(ct).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// The server's start: begins to prepare the tables, and says when the database is away or, after a while, has not answered.
    /// </summary>
    public async Task BeginAsync(IReadOnlyCollection<string> tables, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout);
        var reason = string.Create(CultureInfo.InvariantCulture, $"no answer within {timeout.TotalSeconds:0.#} s");
        try
        {
            while (true)
            {
                try
                {
                    await PrepareAsync(tables, deadline.Token).ConfigureAwait(false);
                    return;
                }
                catch (CounterStoreException exception) when (exception.Failure == CounterStoreFailure.Busy)
                {
                    reason = exception.Message;
                    await Task.Delay(s_pause, deadline.Token).ConfigureAwait(false);
                }
            }
        }
        catch (CounterStoreException exception)
        {
            reason = exception.Message;
        }
        catch (OperationCanceledException)
        {
            // Silent, or locked, for all of the time.
        }

        CounterLog.NotPrepared(logger, Connection, reason);
    }

    /// <summary>
    /// Prepares the tables that earlier runs have left mails for, until all are written: also those that the configuration names no more.
    /// </summary>
    public async Task WriteFormerAsync()
    {
        var pause = new ExponentialDelay(s_pause, s_longestPause);
        while (_replay?.Tables is { Count: > 0 } tables && !_stopped.IsCancellationRequested)
        {
            foreach (var table in tables)
            {
                try
                {
                    await PrepareAsync([table], _stopped.Token).ConfigureAwait(false);
                    if (_replay.ThroughOwners is not null)
                    {
                        await ReplayAsync(table, _stopped.Token).ConfigureAwait(false);
                    }
                }
                catch (Exception exception) when (exception is CounterStoreException or OperationCanceledException)
                {
                    // Away, or refused: writer and loader say so.
                }
            }

            await Task.Delay(pause.Next(), _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// The writer's end: nobody waits for a table any more, and what could not be written is told. Not through Akka's log, whose lines of
    /// the last moment are lost when the system ends.
    /// </summary>
    public void Stop(IEnumerable<(string Table, int Rows, long Mails)> unwritten, bool mayArrive, string reason)
    {
        _ = _stopped.CancelAsync();
        foreach (var table in unwritten.GroupBy(part => part.Table))
        {
            CounterLog.Unwritten(
                logger,
                Connection,
                table.Key,
                table.Sum(part => part.Mails),
                table.Sum(part => part.Rows),
                mayArrive ? ", unless the commit in progress still succeeds" : string.Empty,
                reason);
        }
    }

    public Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct) =>
        PreparedAsync([table], () => store.LoadAsync(table, loads, ct), ct);

    public Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct) =>
        PreparedAsync(commit.Deltas.Select(delta => delta.Table).Distinct(), () => TimedAsync(commit, ct), ct);

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => store.IsCommittedAsync(node, sequence, ct);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct) =>
        store.RequestIdsSinceAsync(since, seen, ct);

    private async Task<T> PreparedAsync<T>(IEnumerable<string> tables, Func<Task<T>> work, CancellationToken ct)
    {
        await PrepareAsync(tables, ct).ConfigureAwait(false);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (CounterStoreException exception) when (exception.Failure == CounterStoreFailure.Schema)
        {
            // Somebody dropped or changed a table under us: the next attempt looks at all of them anew.
            _prepared.Clear();
            throw;
        }
    }

    private async Task<IReadOnlyList<(string Table, CounterRow Row)>> TimedAsync(CounterCommit commit, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            return await store.CommitAsync(commit, ct).ConfigureAwait(false);
        }
        finally
        {
            CounterMetrics.CommitTime.Record(
                Stopwatch.GetElapsedTime(since).TotalSeconds, new KeyValuePair<string, object?>("connection", Connection));
        }
    }

    private async Task ReplayAsync(string table, CancellationToken ct)
    {
        if (_replay is not null && await _replay.WriteAsync(table, ct).ConfigureAwait(false) is { } mails)
        {
            CounterMetrics.Replayed.Add(mails);
            SpoolLog.Replayed(logger, Connection, mails, table);
        }
    }

    private Task Preparing(string table)
    {
        lock (_preparing)
        {
            if (_preparing.TryGetValue(table, out var running) && !running.IsCompleted)
            {
                return running;
            }

            // Away from the caller: SQLite works in the calling thread.
            return _preparing[table] = Task.Run(() => PrepareAsync(table));
        }
    }

    private async Task PrepareAsync(string table)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token);
        timeout.CancelAfter(s_longest);
        var info = await store.PrepareAsync(table, timeout.Token).ConfigureAwait(false);
        if (_replay?.ThroughOwners is null)
        {
            await ReplayAsync(table, timeout.Token).ConfigureAwait(false);
        }

        if (_prepared.TryAdd(table, info))
        {
            foreach (var done in info.Done)
            {
                CounterLog.TableChanged(logger, Connection, done);
            }

            foreach (var warning in info.Warnings.Where(warning => _warned.TryAdd(warning, true)))
            {
                CounterLog.TableWarning(logger, Connection, warning);
            }
        }
    }
}
