using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The actor of the group commit, one on each node for each connection: takes messages one after the other, has
/// <see cref="CounterWriter"/> decide, and carries out what it decides. The database is called on another thread.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CounterWriterActor : UntypedActor, IWithTimers, IWriterEffects
{
    private readonly PreparedStore _store;
    private readonly CounterWriterSettings _settings;
    private readonly ILogger _logger;
    private readonly CounterWriter _writer;
    private readonly CancellationTokenSource _stopped = new();
    private readonly StoreWatch _watch;
    private readonly MissedAnswers _deferred;

    public CounterWriterActor(PreparedStore store, CounterWriterSettings settings, ILogger logger)
    {
        (_store, _settings, _logger) = (store, settings, logger);
        _watch = new StoreWatch(settings, this, logger);
        _deferred = new MissedAnswers(settings.Connection, "mails answered before they were counted", logger);
        _writer = new CounterWriter(Guid.NewGuid(), settings, this);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(PreparedStore store, CounterWriterSettings settings, ILogger logger) =>
        Akka.Actor.Props.Create(() => new CounterWriterActor(store, settings, logger));

    public void Commit(CounterCommit commit) => Run(ct => _store.CommitAsync(commit, ct), static totals => new Committed(totals));

    public void LookUp(Guid node, long sequence) =>
        Run(ct => _store.IsCommittedAsync(node, sequence, ct), static yes => new LookedUp(yes));

    public void ReadIds(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen) =>
        Run(ct => _store.RequestIdsSinceAsync(since, seen, ct), static ids => new IdsRead(ids));

    public void Pause(TimeSpan wait) => Timers.StartSingleTimer(PauseOver.Instance, PauseOver.Instance, wait);

    public void PauseTable(string table, TimeSpan wait) => Timers.StartSingleTimer(table, new TablePauseOver(table), wait);

    public void LimitFlush(TimeSpan wait) => Timers.StartSingleTimer(FlushTooLate.Instance, FlushTooLate.Instance, wait);

    public void BeginWait(Func<string> what) => _watch.Begin(what);

    public void EndWait() => _watch.End();

    public void Deferred(int answers, string reason) => _deferred.Add(answers, reason);

    public void Flushed(object asker, bool isWritten) => ((IActorRef)asker).Tell(new Flushed(isWritten));

    public void Say(WriterEvent what)
    {
        switch (what)
        {
            case WriterEvent.WentAway away:
                CounterLog.CannotWrite(_logger, _settings.Connection, away.Reason);
                _deferred.Told();
                break;
            case WriterEvent.CameBack:
                CounterLog.WritesBack(_logger, _settings.Connection, _deferred.Total);
                _deferred.Reset();
                break;
            case WriterEvent.TableRefused refused:
                if (refused.IsNew)
                {
                    CounterLog.CannotWriteTable(_logger, _settings.Connection, refused.Table, refused.Reason);
                }

                _deferred.Told();
                break;
            case WriterEvent.TableTaken taken:
                CounterLog.TableBack(_logger, _settings.Connection, taken.Table);
                break;
        }
    }

    protected override void PostStop()
    {
        _ = _stopped.CancelAsync();   // a driver asks its server to cancel, in the thread that does: not in this one
        _store.Stop(
            _writer.Pending.SelectMany(batch => batch.Unwritten),
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
            case KeysMoved:
                _writer.OnKeysMoved();
                break;
            case Committed committed:
                _writer.OnCommitted(committed.Totals);
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

    private void Run<T>(Func<CancellationToken, Task<T>> step, Func<T, object> done)
    {
        var token = _stopped.Token;
        Task.Run(() => step(token), token).PipeTo(Self, Self, done, static cause => new Failed(cause));
    }

    private sealed record LookedUp(bool IsCommitted) : INoSerializationVerificationNeeded;

    private sealed record IdsRead(IReadOnlyList<CommittedIds> Ids) : INoSerializationVerificationNeeded;

    private sealed record Committed(IReadOnlyList<(string Table, CounterRow Row)> Totals) : INoSerializationVerificationNeeded;

    private sealed record Failed(Exception Cause) : INoSerializationVerificationNeeded;

    private sealed record TablePauseOver(string Table) : INoSerializationVerificationNeeded;

    private sealed class FlushTooLate : INoSerializationVerificationNeeded
    {
        public static readonly FlushTooLate Instance = new();
    }

    private sealed class PauseOver : INoSerializationVerificationNeeded
    {
        public static readonly PauseOver Instance = new();
    }
}
