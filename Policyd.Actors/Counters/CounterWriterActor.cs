using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The group commit: takes what has gathered, writes it in one transaction, and only then has it answered; meanwhile the next
/// batch gathers. No timer: an idle server commits at once, a busy one commits big batches. One of these on each
/// node for each connection. An attempt goes through three steps, each of which may fail and is begun again after a back-off:
/// is it committed already (after a failure only), which of its requests were counted elsewhere, commit. A table that the
/// database refuses is set apart and tried by itself, so that the others go on. A database that is slow, or whose lock somebody holds, is
/// waited for; it is away when it says so twice, or nothing for a long time. Then mails are answered before they are counted.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CounterWriterActor : ReceiveActor, IWithTimers
{
    // A deadlock is gone at the next try; one that comes again and again is a database that does not work.
    private const int ConflictsInARow = 10;

    private readonly PreparedStore _store;
    private readonly CounterWriterSettings _settings;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopped = new();
    private readonly ResendFilter _resends;
    private readonly Dictionary<Guid, long> _seenCommits = [];
    private readonly Guid _node = Guid.NewGuid();

    private CommitBatch _gathering = new();
    private CommitBatch? _attempt;
    private readonly Queue<CommitBatch> _parts = new();
    private readonly QuarantinedTables _quarantined;
    private long _appends;
    private long _sequence;
    private int _conflicts;
    private int _faults;
    private bool _mayBeCommitted;
    private bool _resendsKnown;
    private bool _down;
    private string _reason = string.Empty;
    private bool _saidSomething;
    private readonly ExponentialDelay _backOff;
    private readonly StoreWatch _watch;
    private readonly MissedAnswers _deferred;
    private readonly List<(IActorRef Asker, long Appends)> _flushes = [];
    private readonly List<(IActorRef Asker, FindRequests Question)> _questions = [];
    private bool _readingForQuestions;

    public CounterWriterActor(PreparedStore store, CounterWriterSettings settings, ILogger logger)
    {
        _store = store;
        _settings = settings;
        _logger = logger;
        _backOff = new ExponentialDelay(settings.FirstBackOff, settings.LongestBackOff);
        _quarantined = new QuarantinedTables(settings);
        _watch = new StoreWatch(settings, this, logger);
        _deferred = new MissedAnswers(settings.Connection, "mails answered before they were counted", logger);
        _resends = new ResendFilter(settings.ResendWindow, settings.MaxPending);

        Receive<Append>(OnAppend);
        Receive<FindRequests>(OnFind);
        Receive<ReadForQuestions>(OnReadForQuestions);
        Receive<CommittedBefore>(OnCommittedBefore);
        Receive<ResendsRead>(OnResendsRead);
        Receive<Committed>(OnCommitted);
        Receive<Failed>(OnFailed);
        Receive<Retry>(_ => Attempt());
        Receive<RetryTable>(retry => OnRetryTable(retry.Table));
        Receive<StoreWatch.Look>(_ => OnLook());
        Receive<Flush>(_ => OnFlush());
        Receive<EndOfFlush>(_ => AnswerFlushes(written: false));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>All that is not in the database yet.</summary>
    private IEnumerable<CommitBatch> Pending
    {
        get
        {
            IEnumerable<CommitBatch> under = _attempt is null ? [] : [_attempt];
            return [.. under, .. _parts, .. _quarantined.Waiting, _gathering];
        }
    }

    public static Props Props(PreparedStore store, CounterWriterSettings settings, ILogger logger) =>
        Akka.Actor.Props.Create(() => new CounterWriterActor(store, settings, logger));

    protected override void PostStop()
    {
        _ = _stopped.CancelAsync();   // a driver asks its server to cancel, in the thread that does: not in this one
        _store.Stop(
            Pending.SelectMany(batch => batch.Unwritten),
            _mayBeCommitted || _watch.Waited > TimeSpan.Zero,
            _saidSomething || _down ? _reason : "no answer yet");
    }

    private void OnAppend(Append add)
    {
        var resend = add.RequestId is { } id && !_resends.TryAdd(id, _settings.Steady.Now);
        if (resend)
        {
            CounterMetrics.Resends.Add(1);
        }

        var refused = _quarantined.Of(add.Key.Table);
        var batch = refused ?? _gathering;
        batch.Append(add, Sender, resend);
        batch.Oldest = Math.Min(batch.Oldest, ++_appends);
        if (batch.ForgetIds(_settings.MaxPending) is > 0 and var forgotten)
        {
            CounterMetrics.ForgottenIds.Add(forgotten);
        }

        if (_down || refused is not null)
        {
            Defer(batch);
        }

        NextIfIdle();
    }

    private void Defer(CommitBatch batch) => _deferred.Add(batch.ReportDeferred(Self), _reason);

    private void NextIfIdle()
    {
        if (_attempt is null && !_readingForQuestions)
        {
            NextBatch();
        }
    }

    /// <summary>
    /// Answered from memory where that is enough. Where the database must be asked the question waits for the commit that is under way:
    /// what is read takes requests out of batches, and one that is being written can no longer be changed.
    /// </summary>
    private void OnFind(FindRequests find)
    {
        var known = find.RequestIds.Any(_resends.Holds);
        if (known || _down || (_resendsKnown && !(find.OfNewOwner && _settings.OthersMayWrite())))
        {
            Sender.Tell(new CounterProtocol.Counted(known));
            return;
        }

        _questions.Add((Sender, find));
        NextIfIdle();
    }

    private void OnReadForQuestions(ReadForQuestions read)
    {
        _readingForQuestions = false;
        _watch.End();
        if (read.Commits is { } commits)
        {
            Learn(commits);
        }

        AnswerQuestions();
        NextBatch();
    }

    private void AnswerQuestions()
    {
        foreach (var (asker, question) in _questions)
        {
            asker.Tell(new CounterProtocol.Counted(question.RequestIds.Any(_resends.Holds)));
        }

        _questions.Clear();
    }

    private void NextBatch()
    {
        if (_questions.Count > 0)
        {
            _attempt = null;
            _readingForQuestions = true;
            _watch.Begin(static () => "reading what is counted");
            var token = _stopped.Token;
            Task.Run(() => ReadRequestIdsAsync(token), token)
                .PipeTo(Self, Self, ids => new ReadForQuestions(ids), _ => new ReadForQuestions(null));
            return;
        }

        if (!_parts.TryDequeue(out _attempt))
        {
            if (_gathering.IsEmpty)
            {
                AnswerFlushes(written: false);   // what is left is of tables that the database refuses
                return;
            }

            _attempt = _gathering;
            _gathering = new CommitBatch();
        }

        _sequence++;
        _mayBeCommitted = false;
        _saidSomething = false;
        var batch = _attempt;
        _watch.Begin(() => $"writing counters of {string.Join(", ", batch.Tables.Order(StringComparer.Ordinal))}");
        Attempt();
    }

    private void Attempt()
    {
        if (_attempt is null)
        {
            return;
        }

        if (_mayBeCommitted)
        {
            Run(ct => _store.IsCommittedAsync(_node, _sequence, ct), yes => new CommittedBefore(yes));
        }
        else if (!_resendsKnown || (_attempt.HasNewOwner && _settings.OthersMayWrite()))
        {
            Run(ReadRequestIdsAsync, ids => new ResendsRead(ids));
        }
        else
        {
            Commit(_attempt);
        }
    }

    private void Commit(CommitBatch batch)
    {
        var commit = batch.ToCommit(_node, _sequence, _settings.Clock.GetUtcNow());
        Run(ct => _store.CommitAsync(commit, ct), totals => new Committed(totals), committing: true);
    }

    /// <summary>
    /// The connection had broken in COMMIT. If the batch did get in, only its totals are not known: a commit of nothing reads them.
    /// </summary>
    private void OnCommittedBefore(CommittedBefore answer)
    {
        _mayBeCommitted = false;
        if (answer.Yes)
        {
            _sequence++;
            _attempt!.ForgetDeltas();
        }

        Attempt();
    }

    private void OnResendsRead(ResendsRead read)
    {
        Learn(read.Commits);
        Commit(_attempt!);
    }

    private Task<IReadOnlyList<CommittedIds>> ReadRequestIdsAsync(CancellationToken ct) =>
        _store.RequestIdsSinceAsync(_settings.Clock.GetUtcNow() - _settings.ResendWindow, _seenCommits, ct);

    /// <summary>
    /// What others have counted is counted: their requests are known from now on, and taken out of what is not written yet.
    /// </summary>
    private void Learn(IReadOnlyList<CommittedIds> commits)
    {
        var now = _settings.Steady.Now;
        var counted = new HashSet<UInt128>(CounterRequestId.SameCount);
        _seenCommits[_node] = long.MaxValue;
        foreach (var commit in commits.Where(commit => commit.Node != _node))
        {
            _seenCommits[commit.Node] = Math.Max(commit.Sequence, _seenCommits.GetValueOrDefault(commit.Node));
            counted.UnionWith(commit.RequestIds);
            foreach (var id in commit.RequestIds)
            {
                _resends.TryAdd(id, now);
            }
        }

        _resendsKnown = true;
        CounterMetrics.Resends.Add(Pending.Sum(batch => batch.Retract(counted.Contains)));
    }

    private void OnCommitted(Committed committed)
    {
        CounterMetrics.Commits.Add(1);
        CounterMetrics.RowsCommitted.Add(_attempt!.Rows);
        foreach (var table in _quarantined.Tables.Intersect(_attempt.Tables))
        {
            CounterLog.TableBack(_logger, _settings.Connection, table);
            if (_quarantined.Release(table) is { IsEmpty: false } waiting)
            {
                _parts.Enqueue(waiting);
            }
        }

        _watch.End();
        _attempt.ReportCommitted(committed.Totals, Self);
        _attempt = null;
        (_conflicts, _faults) = (0, 0);
        if (_down)
        {
            _down = false;
            _backOff.Reset();
            CounterLog.WritesBack(_logger, _settings.Connection, _deferred.Total);
            _deferred.Reset();
        }

        AnswerFlushes();
        NextBatch();
    }

    private void OnFailed(Failed failed)
    {
        _reason = failed.Cause.Message;
        _saidSomething = true;
        switch ((failed.Cause as CounterStoreException)?.Failure)
        {
            case CounterStoreFailure.AlreadyCommitted:
                OnCommittedBefore(new CommittedBefore(true));
                return;
            case CounterStoreFailure.Conflict when ++_conflicts % ConflictsInARow != 0:
                CounterMetrics.Conflicts.Add(1);
                Attempt();
                return;
            case CounterStoreFailure.Conflict or CounterStoreFailure.Busy when !_down && _watch.Waited < _settings.AwayAfter:
                Timers.StartSingleTimer(Retry.Instance, Retry.Instance, _settings.FirstBackOff);
                return;
            case CounterStoreFailure.Refused or CounterStoreFailure.Schema when failed.InCommit:
                OnRefused(failed.Cause);
                return;
            case CounterStoreFailure.CommitUnknown:
                _mayBeCommitted = true;
                break;
        }

        // A connection that died while nobody used it says nothing of the database: the next one is a new connection.
        if (!_down && ++_faults == 1)
        {
            Attempt();
            return;
        }

        _watch.End();
        GoDown();
        Timers.StartSingleTimer(Retry.Instance, Retry.Instance, _backOff.Next());
    }

    /// <summary>Nobody waits for the database any more, until it has taken what is kept for it.</summary>
    private void GoDown()
    {
        CounterMetrics.FailedCommits.Add(1);
        if (!_down)
        {
            _down = true;
            CounterLog.CannotWrite(_logger, _settings.Connection, _reason);
            _deferred.Told();
        }

        foreach (var batch in Pending)
        {
            Defer(batch);
        }

        AnswerQuestions();
        AnswerFlushes(written: false);
    }

    /// <summary>What was asked may still be answered: it is not given up, only no longer waited for.</summary>
    private void OnLook()
    {
        if (_watch.IsSilent() && !_down)
        {
            var answer = _saidSomething ? _reason : "no answer";
            _reason = $"{answer}, for {_watch.Waited.TotalSeconds:0.#} s";
            GoDown();
        }
    }

    /// <summary>
    /// Nothing was applied. One table's trouble is not the others': each is written by itself, and the one that is refused waits.
    /// </summary>
    private void OnRefused(Exception cause)
    {
        _watch.End();
        var tables = _attempt!.Tables;
        if (tables.Count > 1)
        {
            foreach (var table in tables)
            {
                _parts.Enqueue(_attempt.TakeTable(table));
            }

            NextBatch();
            return;
        }

        var refused = tables.Single();
        CounterMetrics.FailedCommits.Add(1);
        if (!_quarantined.IsQuarantined(refused))
        {
            CounterLog.CannotWriteTable(_logger, _settings.Connection, refused, cause.Message);
        }

        _attempt.Absorb(_gathering.TakeTable(refused));
        var (waiting, wait) = _quarantined.Quarantine(refused, _attempt);
        _deferred.Told();
        Defer(waiting);
        Timers.StartSingleTimer(refused, new RetryTable(refused), wait);
        NextBatch();
    }

    private void OnRetryTable(string table)
    {
        if (_quarantined.TakeWaiting(table) is { IsEmpty: false } waiting)
        {
            _parts.Enqueue(waiting);
            NextIfIdle();
        }
    }

    /// <summary>What came before it is to be written; a back-off is not waited for, since this may be the end.</summary>
    private void OnFlush()
    {
        _flushes.Add((Sender, _appends));
        foreach (var table in _quarantined.Tables)
        {
            OnRetryTable(table);
        }

        if (Timers.IsTimerActive(Retry.Instance))
        {
            Timers.Cancel(Retry.Instance);
            Attempt();
        }

        if (_down)
        {
            Timers.StartSingleTimer(EndOfFlush.Instance, EndOfFlush.Instance, _settings.LastChance);
        }

        AnswerFlushes();
    }

    /// <summary>Those of which all is written are told so; and all the others, when it cannot be written, that it is not.</summary>
    private void AnswerFlushes(bool written = true)
    {
        if (_flushes.Count == 0)
        {
            return;
        }

        var oldest = Pending.Where(batch => !batch.IsEmpty).Min(batch => (long?)batch.Oldest) ?? long.MaxValue;
        foreach (var flush in _flushes.Where(flush => flush.Appends < oldest))
        {
            flush.Asker.Tell(new Flushed(Written: true));
        }

        _flushes.RemoveAll(flush => flush.Appends < oldest);
        if (!written)
        {
            _flushes.ForEach(static flush => flush.Asker.Tell(new Flushed(Written: false)));
            _flushes.Clear();
        }
    }

    private void Run<T>(Func<CancellationToken, Task<T>> step, Func<T, object> done, bool committing = false)
    {
        var token = _stopped.Token;
        Task.Run(() => step(token), token).PipeTo(Self, Self, done, cause => new Failed(cause, committing));
    }

    private sealed record CommittedBefore(bool Yes) : INoSerializationVerificationNeeded;

    private sealed record ResendsRead(IReadOnlyList<CommittedIds> Commits) : INoSerializationVerificationNeeded;

    /// <summary>Null when the database did not answer: then what is in memory is all that is known.</summary>
    private sealed record ReadForQuestions(IReadOnlyList<CommittedIds>? Commits) : INoSerializationVerificationNeeded;

    private sealed record Committed(IReadOnlyList<(string Table, CounterRow Row)> Totals) : INoSerializationVerificationNeeded;

    private sealed record RetryTable(string Table) : INoSerializationVerificationNeeded;

    private sealed record Failed(Exception Cause, bool InCommit) : INoSerializationVerificationNeeded;

    private sealed class EndOfFlush : INoSerializationVerificationNeeded
    {
        public static readonly EndOfFlush Instance = new();
    }

    private sealed class Retry : INoSerializationVerificationNeeded
    {
        public static readonly Retry Instance = new();
    }
}
