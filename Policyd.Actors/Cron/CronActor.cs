using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using Policyd.Engine.Cron;
using static Policyd.Actors.Cron.CronProtocol;

namespace Policyd.Actors.Cron;

/// <summary>
/// The cron scheduler: one in the whole cluster. It wakes at the next task's time, writes the run into its ledger before it begins, and
/// runs one task at a time: two that come at midnight must not purge the same table at once. A ledger that cannot be written stops it,
/// and its supervisor starts it again after a while: a tick that nobody could note down would run twice.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class CronActor : ReceivePersistentActor
{
    // The system's clock may be set, or the machine may sleep: no wait is longer than this.
    // From here on a clock was put back: NTP's corrections are smaller, and must not run a task twice.
    private static readonly TimeSpan s_putBack = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_longestSleep = TimeSpan.FromMinutes(1);

    private readonly Func<CronOptions> _serving;
    private readonly Func<string, CancellationToken, Task<int>> _run;
    private readonly TimeProvider _clock;
    private readonly CronLedgerLog _ledgerLog;
    private readonly Func<DateTimeOffset?> _servesSince;
    private readonly CancellationTokenSource _stopped = new();
    private readonly CronLedger _ledger = new();
    private readonly Dictionary<string, DateTimeOffset?> _next = new(StringComparer.Ordinal);
    private readonly Queue<(string Task, DateTimeOffset? Scheduled)> _queue = new();
    private readonly List<(string Task, IActorRef Asker)> _waiting = [];
    private (string Task, DateTimeOffset? Scheduled)? _current;
    private CronOptions _options;
    private long _snapshotAt;

    // Of the scheduler, not of IWithTimers: a timer's message that comes while an event is written, and is stashed, is lost there.
    private ICancelable? _sleep;

    public CronActor(
        Func<CronOptions> options,
        Func<string, CancellationToken, Task<int>> run,
        TimeProvider clock,
        CronLedgerLog ledgerLog,
        Func<DateTimeOffset?> servesSince)
    {
        _serving = options;
        _options = options();
        _run = run;
        _clock = clock;
        _ledgerLog = ledgerLog;
        _servesSince = servesSince;

        Recover<ICronMessage>(_ledger.Apply);
        Recover<SnapshotOffer>(offer =>
        {
            _snapshotAt = offer.Metadata.SequenceNr;
            _ledger.Apply((ICronMessage)offer.Snapshot);
        });
        Recover<RecoveryCompleted>(_ => Begin());

        Command<Wake>(_ => OnWake());
        Command<Finished>(OnFinished);
        Command<OptionsChanged>(_ => OnOptionsChanged());
        Command<ListTasks>(_ => Sender.Tell(new TaskList(
            [.. _options.Tasks.Select(
                task => new CronTaskStatus(task.Name, task.Expression, _ledger[task.Name]?.LastRun, _next[task.Name]))])));
        Command<RunTask>(OnRunTask);
        Command<SaveSnapshotSuccess>(saved =>
        {
            DeleteMessages(saved.Metadata.SequenceNr);
            DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1));
        });
        Command<SaveSnapshotFailure>(failure => Log.Warning("cron: the ledger's snapshot cannot be saved: {0}", failure.Cause.Message));
        Command<DeleteMessagesSuccess>(_ => { });
        Command<DeleteMessagesFailure>(_ => { });
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
    }

    /// <summary>How many events the ledger keeps beside its snapshot.</summary>
    public static int EventsKept => 200;

    public override string PersistenceId => "policyd-cron";

    private DateTimeOffset _latest = DateTimeOffset.MinValue + s_putBack;

    /// <summary>How to make it.</summary>
    /// <param name="options">The options of now.</param>
    /// <param name="run">Runs a task.</param>
    /// <param name="clock">The time.</param>
    /// <param name="ledgerLog">What is told of the ledger.</param>
    /// <param name="servesSince">
    /// From when on it must miss no time of a task, although the ledger was read later; null: from when it was read.
    /// </param>
    public static Props Props(
        Func<CronOptions> options,
        Func<string, CancellationToken, Task<int>> run,
        TimeProvider clock,
        CronLedgerLog ledgerLog,
        Func<DateTimeOffset?> servesSince) =>
        Akka.Actor.Props.CreateBy(new Producer<CronActor>(() => new CronActor(options, run, clock, ledgerLog, servesSince)));

    // Akka stops the actor after each of these, and would log them as events, sequence numbers and the driver's exception.
    protected override void OnRecoveryFailure(Exception reason, object? message = null) => _ledgerLog.Away(reason);

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) => _ledgerLog.Away(cause);

    // After this one it would go on, without the run that the journal would not take.
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        _ledgerLog.Away(cause);
        Context.Stop(Self);
    }

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(OptionsChanged));
        base.PreStart();
    }

    protected override void PostStop()
    {
        _sleep.CancelIfNotNull();
        Context.System.EventStream.Unsubscribe(Self);
        _ = _stopped.CancelAsync();   // a driver asks its server to cancel, in the thread that does: not in this one
        base.PostStop();
    }

    private void Begin()
    {
        _ledgerLog.Back();
        _ledger.Interrupt();
        var now = _clock.GetUtcNow();
        var since = now;
        if (_servesSince() is { } start)
        {
            // As if it had slept since then: what came due meanwhile runs, and a clock that was put back is noticed.
            since = _latest = start;
        }

        var unknown = Plan(since);
        foreach (var task in _options.Tasks)
        {
            if (_options.CatchUp && _ledger.HasMissed(task.Name, task.Next, since))
            {
                Log.Info("cron: {0} was due while the server was down; it runs now", task.Name);
                _queue.Enqueue((task.Name, now));
                _next[task.Name] = task.Next(now);
            }
        }

        NoteAndWake(unknown);
    }

    // The wake comes as a message, after the events are written. Persist must not be called in what DeferAsync was given: Akka then counts
    // the event as never written, and keeps back every later message.
    private void NoteAndWake(List<ICronMessage> unknown)
    {
        PersistAll(unknown, _ledger.Apply);
        Self.Tell(Wake.Instance);
    }

    /// <summary>When each task is due, and those that the ledger does not know yet.</summary>
    private List<ICronMessage> Plan(DateTimeOffset now)
    {
        _next.Clear();
        foreach (var task in _options.Tasks)
        {
            _next[task.Name] = task.Next(now);
        }

        return [.. _options.Tasks.Where(task => _ledger[task.Name] is null).Select(task => new CronEvents.Known(task.Name, now))];
    }

    private void OnOptionsChanged()
    {
        _options = _serving();
        NoteAndWake(Plan(_clock.GetUtcNow()));
    }

    private void OnWake()
    {
        var now = _clock.GetUtcNow();
        var putBack = now < _latest - s_putBack;
        _latest = now;
        foreach (var task in _options.Tasks)
        {
            if (putBack)
            {
                _next[task.Name] = task.Next(now);
            }
            else if (_next[task.Name] is { } due && due <= now)
            {
                _next[task.Name] = task.Next(now);
                if (_current?.Task == task.Name || _queue.Any(one => one.Task == task.Name))
                {
                    Log.Warning("cron: {0} is due again but still running; this run is skipped", task.Name);
                }
                else
                {
                    _queue.Enqueue((task.Name, due));
                }
            }
        }

        RunNext();
        Sleep(now);
    }

    private void Sleep(DateTimeOffset now)
    {
        var next = _next.Values.Min();
        var sleep = next is { } time && time - now < s_longestSleep ? time - now : s_longestSleep;
        _sleep.CancelIfNotNull();
        _sleep = Context.System.Scheduler.ScheduleTellOnceCancelable(
            sleep > TimeSpan.FromMilliseconds(1) ? sleep : TimeSpan.FromMilliseconds(1), Self, Wake.Instance, ActorRefs.NoSender);
    }

    private void OnRunTask(RunTask run)
    {
        if (!_next.ContainsKey(run.Name))
        {
            Sender.Tell(new NoSuchTask(run.Name, [.. _options.Tasks.Select(task => task.Name)]));
            return;
        }

        // One that runs already began before the operator asked: what he wants seen may have come after.
        _waiting.Add((run.Name, Sender));
        if (!_queue.Any(one => one.Task == run.Name))
        {
            _queue.Enqueue((run.Name, null));
        }

        RunNext();
    }

    private void RunNext()
    {
        if (_current is not null || !_queue.TryDequeue(out var next))
        {
            return;
        }

        _current = next;
        Persist(new CronEvents.Started(next.Task, next.Scheduled, _clock.GetUtcNow()), started =>
        {
            _ledger.Apply(started);
            var token = _stopped.Token;
            var asked = _waiting.FindAll(one => one.Task == next.Task);
            _waiting.RemoveAll(asked.Contains);
            Task.Run(() => _run(next.Task, token), token).PipeTo(
                Self, Self, failures => new Finished(failures, null, asked), e => new Finished(1, e.Message, asked));
        });
    }

    private void OnFinished(Finished finished)
    {
        var task = _current!.Value.Task;
        if (finished.Error is not null)
        {
            Log.Error("cron: {0} failed: {1}", task, finished.Error);
        }

        Persist(new CronEvents.Ended(task, _clock.GetUtcNow(), finished.Failures), ended =>
        {
            _ledger.Apply(ended);
            _current = null;
            foreach (var (_, asker) in finished.Asked)
            {
                asker.Tell(new TaskRan(_ledger[task]!.LastRun!));
            }

            if (LastSequenceNr - _snapshotAt >= EventsKept)
            {
                _snapshotAt = LastSequenceNr;
                SaveSnapshot(_ledger.ToSnapshot());
            }

            RunNext();
        });
    }

    /// <summary>Time may have come; sent by the timer.</summary>
    internal sealed class Wake : INoSerializationVerificationNeeded
    {
        public static readonly Wake Instance = new();
    }

    /// <summary>The server has another configuration; published on the node's event stream.</summary>
    internal sealed class OptionsChanged : INoSerializationVerificationNeeded
    {
        public static readonly OptionsChanged Instance = new();
    }

    private sealed record Finished(int Failures, string? Error, IReadOnlyList<(string Task, IActorRef Asker)> Asked)
        : INoSerializationVerificationNeeded;
}
