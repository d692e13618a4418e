using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Dispatching;
using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The actor of the group commit, one on each node for each connection: takes messages one after the other, has
/// <see cref="CounterWriter"/> decide, and carries out what it decides. What takes time is done on other threads.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CounterWriterActor : UntypedActor, IWithTimers, IWriterEffects
{
    // Whoever waits without another mail waits so much longer. Usually one comes in this time, and no thread is woken to end the wait.
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(1);

    // To put the rows of a commit in order takes time. A writer holds up no thread of a request for more than these.
    private const int FewRows = 1_000;

    private readonly PreparedStore _store;
    private readonly CounterWriterSettings _settings;
    private readonly ILogger _logger;
    private readonly CounterWriter _writer;
    private readonly CancellationTokenSource _stopped = new();
    private readonly StoreWatch _watch;
    private readonly MissedAnswers _deferred;
    private readonly MissedAnswers _notSpooled;
    private readonly ConnectionSpool? _spool;
    private readonly SpoolFile? _file;
    private readonly Action<string>? _onFenced;

    // Timers of Akka's scheduler end with its tick of a hundred milliseconds.
    private readonly Alarm _gathering;
    private Task _spooling = Task.CompletedTask;

    /// <param name="store">The store.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="logger">The log.</param>
    /// <param name="spool">Where adds wait for the database; null: in memory alone.</param>
    /// <param name="onFenced">Told once, and why, when the others of the cluster have fenced this node.</param>
    public CounterWriterActor(
        PreparedStore store, CounterWriterSettings settings, ILogger logger, ConnectionSpool? spool, Action<string>? onFenced)
    {
        _onFenced = onFenced;
        var node = Guid.NewGuid();
        (_store, _settings, _logger, _spool) = (store, settings with { Spools = spool is not null }, logger, spool);
        _file = spool?.NewFile(node);
        _watch = new StoreWatch(settings, this, logger);
        _deferred = new MissedAnswers(
            settings.Connection, "mails answered before they were counted", CounterReason.Database, CounterMetrics.Deferred, logger);
        _notSpooled = new MissedAnswers(
            settings.Connection,
            "counts refused, since the database is away and the spool takes nothing",
            CounterReason.Spool,
            CounterMetrics.Unavailable,
            logger);
        _writer = new CounterWriter(node, _settings, this);
        var self = Self;
        _gathering = new Alarm("commit alarm", () => SenderTurn.Tell(self, Gathered.Instance));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private string Place => _spool is null ? "memory" : "the spool";

    public static Props Props(
        PreparedStore store,
        CounterWriterSettings settings,
        ILogger logger,
        ConnectionSpool? spool = null,
        Action<string>? onFenced = null) =>
        Akka.Actor.Props.Create(() => new CounterWriterActor(store, settings, logger, spool, onFenced));

    public void Commit(CounterCommit commit)
    {
        _gathering.Clear();

        // A commit is of many requests: it does not run in the context of the one whose thread this is.
        var flow = ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow();
        try
        {
            _ = CommitAsync(commit, Self);
        }
        finally
        {
            flow?.Undo();
        }
    }

    public void LookUp(Guid node, long sequence) =>
        Run(ct => _store.IsCommittedAsync(node, sequence, ct), static yes => new LookedUp(yes));

    public void ReadIds(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen) =>
        Run(ct => _store.RequestIdsSinceAsync(since, seen, ct), static ids => new IdsRead(ids));

    public void Gather(TimeSpan wait) => _gathering.Set(wait + s_grace);

    public void GatherWhatIsHere() => Self.Tell(Gathered.Instance, ActorRefs.NoSender);

    public void Pause(TimeSpan wait) => Timers.StartSingleTimer(PauseOver.Instance, PauseOver.Instance, wait);

    public void PauseTable(string table, TimeSpan wait) => Timers.StartSingleTimer(table, new TablePauseOver(table), wait);

    public void LimitFlush(TimeSpan wait) => Timers.StartSingleTimer(FlushTooLate.Instance, FlushTooLate.Instance, wait);

    public void RememberFormerIds(bool areKnown) => _store.HasFormerIds = areKnown;

    public void BeginWait(Func<string> what) => _watch.Begin(what);

    public void EndWait() => _watch.End();

    public void Spool(IReadOnlyList<SpoolEntry> group)
    {
        // A resend needs no entry, but comes after the group before it.
        _spooling = _spooling.ContinueWith(
            _ => Append(group), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).PipeTo(Self, Self);
    }

    public void EmptySpool() => _spooling = _spooling.ContinueWith(
        _ => _file!.Empty(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    public void Deferred(int answers, string reason) => _deferred.Add(answers, reason);

    public void Flushed(object asker, bool isWritten) => ((IActorRef)asker).Tell(new Flushed(isWritten));

    public void Say(WriterEvent what)
    {
        switch (what)
        {
            case WriterEvent.WentAway away:
                CounterLog.CannotWrite(_logger, _settings.Connection, Place, away.Reason);
                _deferred.Told();
                break;
            case WriterEvent.WasFenced fenced:
                CounterLog.Fenced(_logger, _settings.Connection, fenced.Reason);
                _deferred.Told();
                _onFenced?.Invoke(fenced.Reason);
                break;
            case WriterEvent.CameBack:
                CounterLog.WritesBack(_logger, _settings.Connection, _deferred.Total);
                _deferred.Reset();
                break;
            case WriterEvent.TableRefused refused:
                if (refused.IsNew)
                {
                    CounterLog.CannotWriteTable(_logger, _settings.Connection, refused.Table, Place, refused.Reason);
                }

                _deferred.Told();
                break;
            case WriterEvent.NotSpooled refused:
                _notSpooled.Add(refused.Writes, refused.Reason);
                break;
            case WriterEvent.TableTaken taken:
                CounterLog.TableBack(_logger, _settings.Connection, taken.Table);
                break;
        }
    }

    // Before the first add is written: a request that an earlier run has answered may be asked again. A slow disk holds up no actor.
    protected override void PreStart()
    {
        if (_spool is { } spool)
        {
            Task.Run(spool.TakeFormerRequestIds).PipeTo(Self, Self, static ids => new FormerRead(ids), static cause => new Failed(cause));
        }
    }

    protected override void PostStop()
    {
        _ = _stopped.CancelAsync();   // a driver asks its server to cancel, in the thread that does: not in this one
        _gathering.Dispose();
        LeaveSpool();
        _store.Stop(
            _writer.Pending.SelectMany(static batch => batch.Unwritten.Where(part => !batch.IsSpooled(part.Table))),
            _writer.MayArrive || _watch.Waited > TimeSpan.Zero,
            _writer.Reason.Length > 0 ? _writer.Reason : "no answer yet");
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case WriteOperation write:
                _writer.OnWrite(write);
                break;
            case FindCountedOperation find:
                _writer.OnFind(find);
                break;
            case SettledQuestion question:
                _writer.OnAskWhenSettled(question);
                break;
            case FormerRead former:
                _writer.OnFormerRead(former.RequestIds);
                break;
            case CountDeferred:
                var deferred = _writer.CountDeferred();
                Sender.Tell(new DeferredMails(deferred.Mails, deferred.Spooled, _writer.Reason));
                break;
            case KeysMoved:
                _writer.OnKeysMoved();
                break;
            case Committed committed:
                _writer.OnCommitted(committed.Totals);
                break;
            case Gathered:
                _writer.OnGathered();
                break;
            case LookedUp lookedUp:
                _writer.OnLookedUp(lookedUp.IsCommitted);
                break;
            case IdsRead read:
                _writer.OnIdsRead(read.Ids);
                break;
            case Failed failed:
                _writer.OnFailed((failed.Cause as CounterStoreException)?.Failure, failed.Cause.Message, _watch.Waited);
                break;
            case Spooled spooled:
                _writer.OnSpooled(spooled.Error);
                break;
            case PauseOver:
                _writer.OnPauseOver();
                break;
            case TablePauseOver over:
                _writer.OnTablePauseOver(over.Table);
                break;
            case StoreWatch.Look:
                if (_watch.IsSilent())
                {
                    _writer.OnSilent(_watch.Waited);
                }

                break;
            case Flush:
                _writer.OnFlush(Sender);
                break;
            case FlushTooLate:
                _writer.OnFlushTooLate();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private Spooled Append(IReadOnlyList<SpoolEntry> group)
    {
        try
        {
            if (group.Count > 0)
            {
                _file!.Append(group);
            }

            return new Spooled(null);
        }
        catch (SpoolException refused)
        {
            return new Spooled(refused.Message);
        }
    }

    private void LeaveSpool()
    {
        if (_file is null)
        {
            return;
        }

        var left = _writer.Pending.Where(static batch => batch.HasSpooled)
            .SelectMany(static batch => batch.Unwritten.Where(part => batch.IsSpooled(part.Table)))
            .GroupBy(static part => part.Table).ToList();
        foreach (var table in left)
        {
            var (mails, rows) = (table.Sum(static part => part.Mails), table.Sum(static part => part.Rows));
            SpoolLog.LeftInSpool(_logger, _settings.Connection, table.Key, mails, rows);
        }

        var isWritten = !_writer.Pending.Any(static batch => batch.HasSpooled);
        _spooling.ContinueWith(
            _ =>
            {
                if (isWritten)
                {
                    _file.Delete();
                }

                _file.Dispose();
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    // The store blocks nobody: it has threads or a server for what takes time. So no other thread is woken for the way there.
    private async Task CommitAsync(CounterCommit commit, IActorRef self)
    {
        var token = _stopped.Token;
        object end;
        try
        {
            var committing = commit.Deltas.Count <= FewRows
                ? _store.CommitAsync(commit, token)
                : Task.Run(() => _store.CommitAsync(commit, token), token);
            end = new Committed(await committing.ConfigureAwait(false));
        }
        catch (Exception cause)
        {
            end = new Failed(cause);
        }

        SenderTurn.TellAtEnd(self, end);
    }

    private void Run<T>(Func<CancellationToken, Task<T>> step, Func<T, object> done)
    {
        var token = _stopped.Token;
        Task.Run(() => step(token), token).PipeTo(Self, Self, done, static cause => new Failed(cause));
    }

    private sealed record FormerRead(IReadOnlyList<UInt128> RequestIds) : INoSerializationVerificationNeeded;

    private sealed record LookedUp(bool IsCommitted) : INoSerializationVerificationNeeded;

    private sealed record IdsRead(IReadOnlyList<CommittedIds> Ids) : INoSerializationVerificationNeeded;

    private sealed record Committed(IReadOnlyList<(string Table, CounterRow Row)> Totals) : INoSerializationVerificationNeeded;

    private sealed record Failed(Exception Cause) : INoSerializationVerificationNeeded;

    /// <param name="Error">Why the group is not in the spool; null when it is.</param>
    private sealed record Spooled(string? Error) : INoSerializationVerificationNeeded;

    private sealed record TablePauseOver(string Table) : INoSerializationVerificationNeeded;

    private sealed class FlushTooLate : INoSerializationVerificationNeeded
    {
        public static readonly FlushTooLate Instance = new();
    }

    private sealed class Gathered : INoSerializationVerificationNeeded
    {
        public static readonly Gathered Instance = new();
    }

    private sealed class PauseOver : INoSerializationVerificationNeeded
    {
        public static readonly PauseOver Instance = new();
    }
}
