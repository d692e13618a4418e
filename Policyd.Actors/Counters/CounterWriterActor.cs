using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Event;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The group commit: takes what has gathered, writes it in one transaction, and only then has it answered; meanwhile the next
/// batch gathers. No timer: an idle server commits at once, a busy one commits big batches. One of these on each
/// node for each connection. An attempt goes through three steps, each of which may fail and is begun again after a back-off:
/// is it committed already (after a failure only), which of its requests were counted elsewhere, commit.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CounterWriterActor : ReceiveActor, IWithTimers
{
    private readonly PreparedStore _store;
    private readonly CounterWriterSettings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _stopped = new();
    private readonly ResendFilter _resends;
    private readonly Dictionary<Guid, long> _seenCommits = [];
    private readonly Guid _node = Guid.NewGuid();

    private CommitBatch _gathering = new();
    private CommitBatch? _attempt;
    private long _sequence;
    private bool _mayBeCommitted;
    private bool _resendsKnown;
    private bool _down;
    private readonly BackOff _backOff;
    private List<(IActorRef Asker, int Batches)> _flushes = [];

    public CounterWriterActor(PreparedStore store, CounterWriterSettings settings)
    {
        _store = store;
        _settings = settings;
        _backOff = new BackOff(settings.FirstBackOff, settings.LongestBackOff);
        _resends = new ResendFilter(settings.ResendWindow, settings.MaxPending);

        Receive<Append>(OnAppend);
        Receive<CommittedBefore>(OnCommittedBefore);
        Receive<ResendsRead>(OnResendsRead);
        Receive<Committed>(OnCommitted);
        Receive<Failed>(OnFailed);
        Receive<Retry>(_ => Attempt());
        Receive<Flush>(_ => OnFlush());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(PreparedStore store, CounterWriterSettings settings) =>
        Akka.Actor.Props.Create(() => new CounterWriterActor(store, settings));

    protected override void PostStop()
    {
        _stopped.Cancel();
        _stopped.Dispose();
        var left = _gathering.Rows + (_attempt?.Rows ?? 0);
        if (left > 0)
        {
            _log.Error("{0}: stopped with {1} counter rows that could not be written", _settings.Connection, left);
        }
    }

    private void OnAppend(Append add)
    {
        var resend = add.RequestId is { } id && !_resends.TryAdd(id, _settings.Clock.GetUtcNow());
        if (resend)
        {
            CounterMetrics.Resends.Add(1);
        }

        _gathering.Append(add, Sender, resend);
        if (_gathering.ForgetIds(_settings.MaxPending) is > 0 and var forgotten)
        {
            CounterMetrics.ForgottenIds.Add(forgotten);
        }

        if (_down)
        {
            _gathering.ReportDeferred(Self);
        }

        if (_attempt is null)
        {
            NextBatch();
        }
    }

    private void NextBatch()
    {
        if (_gathering.IsEmpty)
        {
            return;
        }

        _attempt = _gathering;
        _gathering = new CommitBatch();
        _sequence++;
        _mayBeCommitted = false;
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
            var since = _settings.Clock.GetUtcNow() - _settings.ResendWindow;
            Run(ct => _store.RequestIdsSinceAsync(since, _seenCommits, ct), ids => new ResendsRead(ids));
        }
        else
        {
            Commit(_attempt);
        }
    }

    private void Commit(CommitBatch batch)
    {
        var commit = batch.ToCommit(_node, _sequence, _settings.Clock.GetUtcNow());
        Run(ct => _store.CommitAsync(commit, ct), totals => new Committed(totals));
    }

    /// <summary>The connection had broken in COMMIT. If the batch did get in, only its totals are not known: a commit of nothing reads them.</summary>
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
        var now = _settings.Clock.GetUtcNow();
        var counted = new HashSet<UInt128>();
        foreach (var commit in read.Commits.Where(commit => commit.Node != _node))
        {
            _seenCommits[commit.Node] = Math.Max(commit.Sequence, _seenCommits.GetValueOrDefault(commit.Node));
            counted.UnionWith(commit.RequestIds);
            foreach (var id in commit.RequestIds)
            {
                _resends.TryAdd(id, now);
            }
        }

        _resendsKnown = true;
        var resends = _attempt!.Retract(counted.Contains) + _gathering.Retract(counted.Contains);
        CounterMetrics.Resends.Add(resends);
        Commit(_attempt);
    }

    private void OnCommitted(Committed committed)
    {
        CounterMetrics.Commits.Add(1);
        CounterMetrics.RowsCommitted.Add(_attempt!.Rows);
        _attempt.ReportCommitted(committed.Totals, Self);
        _attempt = null;
        if (_down)
        {
            _down = false;
            _backOff.Reset();
            _log.Warning("{0}: the database is back, counters are being written again", _settings.Connection);
        }

        BatchWritten();
        NextBatch();
    }

    private void OnFailed(Failed failed)
    {
        switch ((failed.Cause as CounterStoreException)?.Failure)
        {
            case CounterStoreFailure.AlreadyCommitted:
                OnCommittedBefore(new CommittedBefore(true));
                return;
            case CounterStoreFailure.Conflict:
                CounterMetrics.Conflicts.Add(1);
                Attempt();
                return;
            case CounterStoreFailure.CommitUnknown:
                _mayBeCommitted = true;
                break;
        }

        CounterMetrics.FailedCommits.Add(1);
        if (!_down)
        {
            _down = true;
            _log.Error("{0}: counters cannot be written, they are kept and tried again: {1}", _settings.Connection, failed.Cause.Message);
        }

        _attempt!.ReportDeferred(Self);
        _gathering.ReportDeferred(Self);
        Timers.StartSingleTimer(Retry.Instance, Retry.Instance, _backOff.Next());
    }

    private void OnFlush()
    {
        // What came before it is in the batch under way and in the one that gathers; on a busy server there is always a next one.
        var batches = (_attempt is null ? 0 : 1) + (_gathering.IsEmpty ? 0 : 1);
        if (batches == 0)
        {
            Sender.Tell(new Flushed());
        }
        else
        {
            _flushes.Add((Sender, batches));
        }
    }

    private void BatchWritten()
    {
        if (_flushes.Count == 0)
        {
            return;
        }

        _flushes = _flushes.ConvertAll(flush => flush with { Batches = flush.Batches - 1 });
        foreach (var flush in _flushes.Where(flush => flush.Batches == 0))
        {
            flush.Asker.Tell(new Flushed());
        }

        _flushes.RemoveAll(flush => flush.Batches == 0);
    }

    private void Run<T>(Func<CancellationToken, Task<T>> step, Func<T, object> done)
    {
        var token = _stopped.Token;
        Task.Run(() => step(token), token).PipeTo(Self, Self, done, cause => new Failed(cause));
    }

    private sealed record CommittedBefore(bool Yes) : INoSerializationVerificationNeeded;

    private sealed record ResendsRead(IReadOnlyList<CommittedIds> Commits) : INoSerializationVerificationNeeded;

    private sealed record Committed(IReadOnlyList<(string Table, CounterRow Row)> Totals) : INoSerializationVerificationNeeded;

    private sealed record Failed(Exception Cause) : INoSerializationVerificationNeeded;

    private sealed class Retry : INoSerializationVerificationNeeded
    {
        public static readonly Retry Instance = new();
    }
}
