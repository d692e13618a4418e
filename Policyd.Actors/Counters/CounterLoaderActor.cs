using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// Reads the rows of keys that are touched for the first time: while one query runs the next keys gather, so that a
/// thousand new keys cost a few queries. A database that is slow, or whose lock somebody holds, is waited for. While it is away every load
/// is refused at once, save one that is let through after a back-off to see whether it is back. A table that alone cannot be read is
/// refused alone.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CounterLoaderActor : ReceiveActor, IWithTimers
{
    private readonly PreparedStore _store;
    private readonly CounterWriterSettings _settings;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopped = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly Dictionary<string, List<Waiting>> _waiting = [];
    private readonly Queue<string> _tables = new();

    private readonly Dictionary<string, (ExponentialDelay Pause, DateTimeOffset RetryAt)> _quarantined = [];

    private bool _loading;
    private bool _down;
    private string _reason = string.Empty;
    private DateTimeOffset _retryAt;
    private readonly ExponentialDelay _backOff;
    private readonly StoreWatch _watch;
    private readonly MissedAnswers _refused;

    public CounterLoaderActor(PreparedStore store, CounterWriterSettings settings, ILogger logger)
    {
        _store = store;
        _settings = settings;
        _logger = logger;
        _backOff = new ExponentialDelay(settings.FirstBackOff, settings.LongestBackOff);
        _watch = new StoreWatch(settings, this, logger);
        _refused = new MissedAnswers(
            settings.Connection, "requests answered as unavailable", CounterReason.Database, CounterMetrics.Unavailable, logger);
        Receive<Load>(OnLoad);
        Receive<QueryDone>(OnDone);
        Receive<QueryFailed>(OnFailed);
        Receive<EndLoads>(_ => OnEndLoads());
        Receive<StoreWatch.Look>(_ => _watch.IsSilent());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(PreparedStore store, CounterWriterSettings settings, ILogger logger) =>
        Akka.Actor.Props.Create(() => new CounterLoaderActor(store, settings, logger));

    protected override void PostStop()
    {
        _ = _stopped.CancelAsync();   // a driver asks its server to cancel, in the thread that does: not in this one
    }

    private void OnEndLoads()
    {
        (_down, _reason, _retryAt) = (true, "the server stops", DateTimeOffset.MaxValue);
        _ = _ended.CancelAsync();
    }

    private void OnLoad(Load load)
    {
        var now = _settings.Steady.Now;
        if ((_down && (_loading || now < _retryAt))
            || (_quarantined.TryGetValue(load.Key.Table, out var quarantined) && now < quarantined.RetryAt))
        {
            Sender.Tell(new LoadFailed(load.Window));
            _refused.Add(1, _reason);
            return;
        }

        if (!_waiting.TryGetValue(load.Key.Table, out var waiting))
        {
            _waiting.Add(load.Key.Table, waiting = []);
        }

        if (waiting.Count == 0)
        {
            _tables.Enqueue(load.Key.Table);
        }

        waiting.Add(new Waiting(load.Key.Key, load.Window, Sender));
        LoadNext();
    }

    private void LoadNext()
    {
        if (_loading || !_tables.TryDequeue(out var table))
        {
            return;
        }

        var waiting = _waiting[table];
        var batch = waiting.Take(_settings.LoadBatch).ToArray();
        waiting.RemoveRange(0, batch.Length);
        if (waiting.Count > 0)
        {
            _tables.Enqueue(table);
        }

        _loading = true;
        _watch.Begin(() => $"reading counters of {table}");
        var triesAgain = !_down;
        var (token, ended) = (_stopped.Token, _ended.Token);
        var ranges = Array.ConvertAll(batch, one => new CounterLoad(one.Key, one.Window.RowsToRead));
        Task.Run(() => QueryAsync(table, ranges, triesAgain, token, ended), token)
            .PipeTo(Self, Self, rows => new QueryDone(table, batch, rows), cause => new QueryFailed(table, batch, cause));
    }

    /// <summary>
    /// A lock that somebody holds is waited for, and a connection that died while nobody used it is replaced once; both only while there is
    /// time: a query that hangs would keep all other keys waiting.
    /// </summary>
    private async Task<IReadOnlyList<CounterRow>> QueryAsync(
        string table, CounterLoad[] ranges, bool triesAgain, CancellationToken stopped, CancellationToken ended)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stopped, ended);
        timeout.CancelAfter(_settings.AwayAfter);

        // Not the same: a driver that is told to cancel first asks its server to, which may be what does not answer.
        var query = new CancellationTokenSource();
        var answer = "no answer";
        try
        {
            while (true)
            {
                try
                {
                    return await _store.LoadAsync(table, ranges, query.Token).WaitAsync(timeout.Token).ConfigureAwait(false);
                }
                catch (CounterStoreException exception) when (exception.Failure is CounterStoreFailure.Busy or CounterStoreFailure.Conflict)
                {
                    answer = exception.Message;
                    await Task.Delay(_settings.FirstBackOff, timeout.Token).ConfigureAwait(false);
                }
                catch (CounterStoreException exception) when (triesAgain && exception.Failure == CounterStoreFailure.Unavailable)
                {
                    triesAgain = false;
                }
            }
        }
        catch (OperationCanceledException exception) when (!stopped.IsCancellationRequested)
        {
            throw new TimeoutException($"{answer}, for {_settings.AwayAfter.TotalSeconds:0.#} s", exception);
        }
        finally
        {
            _ = query.CancelAsync();
        }
    }

    private void OnDone(QueryDone done)
    {
        _watch.End();
        if (!_ended.IsCancellationRequested && (_down || _quarantined.Remove(done.Table)))
        {
            CounterLog.ReadsBack(_logger, _settings.Connection, done.Table, _refused.Total);
            _refused.Reset();
        }

        _loading = false;
        _down = _ended.IsCancellationRequested;
        _backOff.Reset();
        _quarantined.Remove(done.Table);
        // Of keys that are touched for the first time most have no row.
        var rows = done.Rows.Count == 0 ? null : done.Rows.ToLookup(row => row.Key);
        foreach (var one in done.Batch)
        {
            one.Owner.Tell(new Loaded(
                one.Window,
                rows is null || !rows.Contains(one.Key) ? [] : [.. rows[one.Key].Where(row => Covers(one.Window.RowsToRead, row.Time))]));
        }

        LoadNext();
    }

    private void OnFailed(QueryFailed failed)
    {
        _watch.End();
        _loading = false;
        _reason = failed.Cause.Message;
        if (failed.Cause is CounterStoreException { Failure: CounterStoreFailure.Refused or CounterStoreFailure.Schema })
        {
            OnRefused(failed);
            return;
        }

        if (_ended.IsCancellationRequested)
        {
            OnEndLoads();
            Refuse([.. failed.Batch, .. _waiting.Values.SelectMany(waiting => waiting)]);
            _waiting.Clear();
            _tables.Clear();
            return;
        }

        if (!_down)
        {
            CounterLog.CannotRead(_logger, _settings.Connection, failed.Cause.Message);
            _refused.Told();
        }

        _down = true;
        _retryAt = _settings.Steady.Now + _backOff.Next();
        Refuse([.. failed.Batch, .. _waiting.Values.SelectMany(waiting => waiting)]);

        _waiting.Clear();
        _tables.Clear();
    }

    /// <summary>The database answers: only this table is not what it should be.</summary>
    private void OnRefused(QueryFailed failed)
    {
        _down = false;
        if (!_quarantined.TryGetValue(failed.Table, out var quarantined))
        {
            CounterLog.CannotReadTable(_logger, _settings.Connection, failed.Table, failed.Cause.Message);
            _refused.Told();
            quarantined.Pause = new ExponentialDelay(_settings.FirstBackOff, _settings.LongestBackOff);
        }

        _quarantined[failed.Table] = quarantined with { RetryAt = _settings.Steady.Now + quarantined.Pause.Next() };
        var waiting = _waiting[failed.Table];
        Refuse([.. failed.Batch, .. waiting]);
        if (waiting.Count > 0)
        {
            waiting.Clear();
            var others = _tables.Where(table => table != failed.Table).ToArray();
            _tables.Clear();
            Array.ForEach(others, _tables.Enqueue);
        }

        LoadNext();
    }

    private void Refuse(IReadOnlyCollection<Waiting> refused)
    {
        foreach (var one in refused)
        {
            one.Owner.Tell(new LoadFailed(one.Window));
        }

        _refused.Add(refused.Count, _reason);
    }

    private static bool Covers(CounterTimeRange range, string time) =>
        string.CompareOrdinal(range.From, time) <= 0 && string.CompareOrdinal(time, range.To) <= 0;

    private sealed record Waiting(string Key, CounterWindow Window, IActorRef Owner);

    private sealed record QueryDone(string Table, Waiting[] Batch, IReadOnlyList<CounterRow> Rows) : INoSerializationVerificationNeeded;

    private sealed record QueryFailed(string Table, Waiting[] Batch, Exception Cause) : INoSerializationVerificationNeeded;
}
