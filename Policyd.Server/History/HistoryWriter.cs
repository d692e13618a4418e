using Microsoft.Extensions.Logging;
using Policyd.Backends.SqlDecisions;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Engine.Model;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Sql;

namespace Policyd.Server.History;

/// <summary>
/// Writes decisions to a database. A request leaves its record in a bounded queue and is answered; a task of its own takes what waits and
/// writes it in batches. While the database is away the batch in hand is tried again and the queue fills; what comes when it is full is
/// dropped and counted. Another task deletes what is too old.
/// </summary>
internal sealed class HistoryWriter : IAsyncDisposable
{
    /// <summary>How long the last decisions may take to be written when the server stops, or a reload ends this writer.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // A burst of refusals of some seconds; as much again may be in the hands of the task that writes.
    private const int MostWaiting = 8_000;
    private const long MostBytesWaiting = 16 * 1024 * 1024;
    private const int RowsEachBatch = 200;

    // What the database refuses again and again is not kept from others for ever.
    private const int MostRefusals = 3;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);

    private readonly SqlDecisionStore _store;
    private readonly string _node;
    private readonly WaitingDecisions _queue;
    private readonly HistoryTroubles _troubles;
    private readonly IDisposable _listening;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _deadline = new();
    private readonly Task _writing;
    private readonly Task _purging;
    private long _stored;
    private long _given;

    public HistoryWriter(DecisionOptions options, SqlDecisionStore store, string node, DecisionListeners decisions, ILogger logger)
    {
        (_store, _node, _troubles) = (store, node, new HistoryTroubles(logger, store.Description));
        Connection = options.Db;
        _queue = new WaitingDecisions(
            options.Facts ? DecisionDepth.Facts : DecisionDepth.Steps,
            options.What == KeptDecisions.All ? static _ => true : IsRefusal,
            MostWaiting,
            MostBytesWaiting);
        _listening = decisions.Listen(_queue);
        _writing = Task.Run(WriteAsync);
        _purging = Task.Run(() => new HistoryPurge(store, options.Keep, _troubles).RunAsync(_stopping.Token));
    }

    /// <summary>How many decisions are in the database.</summary>
    public long Stored => Interlocked.Read(ref _stored);

    /// <summary>How many are not, and never will be.</summary>
    public long Dropped => _queue.Lost + Interlocked.Read(ref _given);

    /// <summary>The connection of the database.</summary>
    public string Connection { get; }

    /// <summary>Why decisions cannot be stored now; null when they can, as far as it is known.</summary>
    public string? Trouble => _troubles.Reason;

    /// <summary>Listens no more, and writes what waits; what cannot be written in time is dropped.</summary>
    public async ValueTask DisposeAsync()
    {
        _listening.Dispose();
        _deadline.CancelAfter(Grace);
        await _stopping.CancelAsync();
        await Task.WhenAll(_writing, _purging);
        _queue.Dispose();
        await _store.DisposeAsync();
        _stopping.Dispose();
        _deadline.Dispose();
    }

    /// <summary>Whether a mail was kept from its recipient, or would have been, or something failed.</summary>
    internal static bool IsRefusal(RequestRecord record) =>
        record.Action is not { } action || record.Failure is not null || record.WouldWithhold is not null || Refusals.Withholds(action);

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                var (records, lost) = await _queue.TakeAsync(_stopping.Token);
                _troubles.Lost(lost);
                await WriteAsync(records);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The last ones are below.
        }

        await WriteAsync(_queue.TakeLast().Records);
        if (Dropped > 0)
        {
            _troubles.NotStored(Dropped);
        }
    }

    private async Task WriteAsync(IReadOnlyList<RequestRecord> records)
    {
        foreach (var batch in records.Chunk(RowsEachBatch))
        {
            var rows = new List<DecisionRow>(batch.Length);
            foreach (var record in batch)
            {
                rows.Add(HistoryRow.Of(record, _node));
                record.Written();
            }

            await WriteAsync(rows);
        }
    }

    private async Task WriteAsync(List<DecisionRow> rows)
    {
        var pauses = new ExponentialDelay(s_shortestPause, s_longestPause);
        for (var (attempt, refusals) = (1, 0); ; attempt++)
        {
            try
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(_deadline.Token);
                patience.CancelAfter(s_patience);
                await _store.WriteAsync(rows, mayBeThere: attempt > 1, patience.Token);
                Interlocked.Add(ref _stored, rows.Count);
                _troubles.Over(Dropped);
                return;
            }
            catch (Exception failure)
            {
                _troubles.Away(failure);
                refusals += failure is SqlAwayException ? 0 : 1;
            }

            if (refusals == MostRefusals || !await PausedAsync(pauses.Next()))
            {
                Interlocked.Add(ref _given, rows.Count);
                return;
            }
        }
    }

    private async Task<bool> PausedAsync(TimeSpan pause)
    {
        await Task.Delay(pause, _deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !_deadline.IsCancellationRequested;
    }
}
