using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;

namespace Policyd.Counting.Writing;

/// <summary>
/// The group commit, as states and events (docs/counters.md has the table): takes what has gathered, writes it in one transaction, and only
/// then answers; meanwhile the next batch gathers. An idle server commits at once, a busy one commits big batches. An attempt goes through
/// three steps, each of which may fail and is begun again after a pause: is it committed already (after a failure only), which of its
/// requests were counted elsewhere, commit. A table that the database refuses is set apart and tried by itself, so that the others go on. A
/// database that is slow, or whose lock somebody holds, is waited for; it is away when it says so twice, or nothing for a long time. Then
/// mails are answered before they are counted. Acts through <see cref="IWriterEffects"/>.
/// </summary>
internal sealed class CounterWriter
{
    // A deadlock is gone at the next try; one that comes again and again is a database that does not work.
    private const int ConflictsInARow = 10;

    private readonly IWriterEffects _effects;
    private readonly CounterWriterSettings _settings;
    private readonly Guid _node;
    private readonly CountedRequests _counted;
    private readonly QuarantinedTables _quarantined;
    private readonly ExponentialDelay _backOff;
    private readonly Queue<CommitBatch> _parts = new();
    private readonly List<(object Asker, long Writes)> _flushes = [];
    private readonly List<FindCountedOperation> _questions = [];
    private readonly SpoolQueue _spool;
    private readonly List<WriteOperation> _inDoubt = [];

    private WriterStep _step;
    private CommitBatch _gathering = new();
    private CommitBatch? _unused;
    private CommitBatch? _attempt;
    private CommitFate _fate;
    private long _writes;
    private int _gathered;
    private long _sequence;
    private int _conflicts;
    private int _faults;
    private DateTimeOffset _nextAt = DateTimeOffset.MinValue;
    private bool _gathersWhatIsHere;
    private bool _isSilent;
    private string? _said;

    /// <param name="node">A fresh id of this life of the writer.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="effects">Who acts.</param>
    public CounterWriter(Guid node, CounterWriterSettings settings, IWriterEffects effects)
    {
        (_node, _settings, _effects) = (node, settings, effects);
        _backOff = new ExponentialDelay(settings.FirstBackOff, settings.LongestBackOff);
        _quarantined = new QuarantinedTables(settings);
        _counted = new CountedRequests(node, settings);
        _spool = new SpoolQueue(settings.Clock);
        _step = settings.Spools ? WriterStep.ReadingSpools : WriterStep.Idle;
    }

    /// <summary>What it is doing.</summary>
    public WriterStep Step => _step;

    /// <summary>Whether mails are answered before they are counted, since the database is away.</summary>
    public bool IsAway { get; private set; }

    /// <summary>
    /// Whether the others of the cluster have fenced this node. Nothing is written any more: what waits, and what still comes, is kept in
    /// the spool, which the next life hands to the owners of then.
    /// </summary>
    public bool IsFenced => _step == WriterStep.Fenced;

    /// <summary>Why it is away, or what it last said.</summary>
    public string Reason { get; private set; } = string.Empty;

    /// <summary>Whether the commit under way may still arrive.</summary>
    public bool MayArrive => _fate == CommitFate.Unknown;

    private bool IsUnderWay => _step is WriterStep.Committing or WriterStep.LookingUp || _fate == CommitFate.Unknown;

    /// <summary>All that is not in the database yet.</summary>
    public IEnumerable<CommitBatch> Pending
    {
        get
        {
            IEnumerable<CommitBatch> under = _attempt is null ? [] : [_attempt];
            return [.. under, .. _parts, .. _quarantined.Waiting, _gathering];
        }
    }

    /// <summary>An owner hands a write over.</summary>
    public void OnWrite(WriteOperation write)
    {
        if (write.FormerId is not null)
        {
            LookForFormerIds();
        }

        var isResend = _counted.Take(write);
        if (isResend)
        {
            CounterMetrics.Resends.Add(1);
        }

        var refused = _quarantined.Of(write.Key.Table);
        var batch = refused ?? _gathering;
        batch.Take(write, isResend);
        _gathered += refused is null ? 1 : 0;
        batch.Oldest = Math.Min(batch.Oldest, ++_writes);
        if (batch.ForgetIds(_settings.MaxPending) is > 0 and var forgotten)
        {
            CounterMetrics.ForgottenIds.Add(forgotten);
        }

        if (IsAway || refused is not null)
        {
            Defer(batch, write);
        }

        if (_step == WriterStep.Idle)
        {
            _step = WriterStep.Gathering;
            GatherIfWorthIt(_settings.Steady.Now);
        }

        if (_step == WriterStep.Gathering)
        {
            LookForMore();
        }
    }

    /// <summary>What <see cref="IWriterEffects"/> was asked for has come. It may be a little early, or too late.</summary>
    public void OnGathered()
    {
        if (_step == WriterStep.Gathering)
        {
            Next(hasGathered: true);
        }
    }

    /// <summary>
    /// The spools of earlier lives are read: these requests are counted, and perhaps only the spools know it. What has gathered meanwhile
    /// is written from now on, without what of it is known now.
    /// </summary>
    public void OnFormerRead(IReadOnlyList<UInt128> requestIds)
    {
        Retract(_counted.Learn(requestIds));
        _step = WriterStep.Idle;
        Next();
    }

    /// <summary>How many mails were answered and are not written, and how many of them are in the spool.</summary>
    public (long Mails, long Spooled) CountDeferred()
    {
        var (mails, spooled) = (0L, 0L);
        foreach (var batch in Pending)
        {
            foreach (var part in batch.Unwritten.Where(part => IsAway || _quarantined.IsQuarantined(part.Table)))
            {
                mails += part.Mails;
                spooled += batch.IsSpooled(part.Table) ? part.Mails : 0;
            }
        }

        return (mails, spooled);
    }

    /// <summary>A group is in the spool, or could not be written.</summary>
    /// <param name="error">Why not; null when it is.</param>
    public void OnSpooled(string? error)
    {
        var deferred = Kept;
        var (answered, refused) = (0, 0);
        var pending = Pending.ToList();
        foreach (var write in _spool.End())
        {
            if (error is not null && !write.IsAbsolute)
            {
                refused += Refuse(write, pending) ? 1 : 0;
            }
            else
            {
                answered += pending.Exists(batch => batch.TryAnswer(write, deferred)) ? 1 : 0;
            }
        }

        _effects.Deferred(answered, Reason);
        if (refused > 0)
        {
            CounterMetrics.NotSpooled.Add(refused);
            _effects.Say(new WriterEvent.NotSpooled(error!, refused));
        }

        SpoolNext();
        EmptySpool();
        if (IsFenced && !_spool.IsBusy)
        {
            AnswerFlushes(isWritten: false);
        }
    }

    /// <summary>An owner asks to be told when all that it has handed over is committed.</summary>
    public void OnAskWhenSettled(SettledQuestion question)
    {
        var refused = _quarantined.Of(question.Table);
        if (!question.IsPatient && (IsAway || refused is not null))
        {
            question.Owner.TellSettled(question.Number, isSettled: false);
        }
        else if (IsFenced)
        {
            // Its key goes to another node, which does not get what is kept here from the database.
            question.Owner.TellSettled(question.Number, isSettled: true);
        }
        else if ((refused is { IsEmpty: false } ? refused : LastPending()) is { } batch)
        {
            batch.Ask(question);
        }
        else
        {
            question.Owner.TellSettled(question.Number, isSettled: true);
        }
    }

    /// <summary>
    /// Keys have come to this node whose requests another node may have counted: their ids are read before the next commit.
    /// </summary>
    public void OnKeysMoved() => _counted.IsComplete = false;

    /// <summary>
    /// Answered from memory where that is enough. Where the database must be asked the question waits for the commit that is under way:
    /// what is read takes requests out of batches, and one that is being written can no longer be changed.
    /// </summary>
    public void OnFind(FindCountedOperation find)
    {
        if (IsAway || _counted.IsComplete || _counted.Holds(find))
        {
            Answer(find);
            return;
        }

        _questions.Add(find);
        NextIfIdle();
    }

    /// <summary>The ids that others have committed.</summary>
    public void OnIdsRead(IReadOnlyList<CommittedIds> commits)
    {
        Retract(_counted.Learn(commits));
        LookForFormerIds();
        if (_step == WriterStep.ReadingForQuestions)
        {
            EndQuestions();
        }
        else
        {
            Commit();
        }
    }

    /// <summary>
    /// The connection had broken in COMMIT. If the batch did get in, only its totals are not known: a commit of nothing reads them.
    /// </summary>
    public void OnLookedUp(bool isCommitted)
    {
        _fate = CommitFate.NotCommitted;
        if (isCommitted)
        {
            _sequence++;
            _inDoubt.Clear();
            _attempt!.ForgetDeltas();
        }
        else
        {
            EndDoubt();
        }

        Attempt();
    }

    /// <summary>The commit is in the database.</summary>
    public void OnCommitted(IReadOnlyList<(string Table, CounterRow Row)> totals)
    {
        var attempt = _attempt!;
        CounterMetrics.Commits.Add(1);
        CounterMetrics.RowsCommitted.Add(attempt.Rows);
        CounterMetrics.GroupSize.Record(attempt.Rows);
        ReleaseTables(attempt);
        _effects.EndWait();
        attempt.AnswerCommitted(totals);
        _inDoubt.Clear();
        _isSilent = false;
        _spool.OnCommitted(attempt);
        _unused = attempt.Renewed();
        (_attempt, _conflicts, _faults) = (null, 0, 0);
        if (IsAway)
        {
            IsAway = false;
            _backOff.Reset();
            _effects.Say(new WriterEvent.CameBack());
        }

        EmptySpool();
        AnswerFlushes();
        Next();
    }

    /// <summary>The step has failed.</summary>
    /// <param name="failure">How; null for an error that the store has no name for.</param>
    /// <param name="message">In words.</param>
    /// <param name="waited">For how long the database is waited for.</param>
    public void OnFailed(CounterStoreFailure? failure, string message, TimeSpan waited)
    {
        if (_step == WriterStep.ReadingForQuestions)
        {
            // What is in memory is all that is known.
            EndQuestions();
            return;
        }

        (Reason, _said) = (message, message);
        _isSilent = false;
        var isCommit = _step == WriterStep.Committing;
        switch (failure)
        {
            case CounterStoreFailure.AlreadyCommitted:
                OnLookedUp(isCommitted: true);
                return;
            case CounterStoreFailure.Fenced:
                OnFenced(message);
                return;
            case CounterStoreFailure.Conflict when ++_conflicts % ConflictsInARow != 0:
                CounterMetrics.Conflicts.Add(1);
                Attempt();
                return;
            case CounterStoreFailure.Conflict or CounterStoreFailure.Busy when !IsAway && waited < _settings.AwayAfter:
                Pause(_settings.FirstBackOff);
                return;
            case CounterStoreFailure.Refused or CounterStoreFailure.Schema when isCommit:
                OnRefused(message);
                return;
            case CounterStoreFailure.CommitUnknown:
                _fate = CommitFate.Unknown;
                break;
        }

        // A connection that died while nobody used it says nothing of the database: the next one is a new connection.
        if (!IsAway && ++_faults == 1)
        {
            Attempt();
            return;
        }

        _effects.EndWait();
        _step = WriterStep.Pausing;
        EndDoubt();
        GoAway();
        Pause(_backOff.Next());
    }

    /// <summary>A pause is over.</summary>
    public void OnPauseOver()
    {
        if (_step == WriterStep.Pausing)
        {
            Attempt();
        }
    }

    /// <summary>A table that was refused is to be tried again.</summary>
    public void OnTablePauseOver(string table)
    {
        if (_quarantined.TakeWaiting(table) is { IsEmpty: false } waiting)
        {
            _parts.Enqueue(waiting);
            NextIfIdle();
        }
    }

    /// <summary>
    /// The database has not answered for a long time: what was asked may still be answered, and is not given up, only no longer waited for.
    /// </summary>
    public void OnSilent(TimeSpan waited)
    {
        _isSilent = true;
        if (!IsAway)
        {
            Reason = $"{_said ?? "no answer"}, for {waited.TotalSeconds:0.#} s";
            GoAway();
        }
    }

    /// <summary>What came before it is to be written; a pause is not waited for, since this may be the end.</summary>
    public void OnFlush(object asker)
    {
        _flushes.Add((asker, _writes));
        foreach (var table in _quarantined.Tables)
        {
            OnTablePauseOver(table);
        }

        if (_step == WriterStep.Pausing)
        {
            Attempt();
        }
        else if (_step == WriterStep.Gathering)
        {
            Next();
        }

        if (IsAway)
        {
            _effects.LimitFlush(_settings.LastChance);
        }

        AnswerFlushes(isWritten: !IsFenced || _spool.IsBusy);
    }

    /// <summary>A flush is not waited for any longer.</summary>
    public void OnFlushTooLate() => AnswerFlushes(isWritten: false);

    /// <summary>How a write is answered that is kept.</summary>
    private CounterAnswer Kept => IsFenced ? CounterAnswer.Kept(CounterReason.Quorum) : CounterAnswer.Deferred;

    private CommitBatch? LastPending() =>
        !_gathering.IsEmpty ? _gathering : _parts.Count > 0 ? _parts.Last() : _attempt;

    /// <summary>Says when ids of version 1 come to be known, and when the last of them is forgotten.</summary>
    private void LookForFormerIds()
    {
        if (_counted.TakeChangeOfFormerIds() is { } areKnown)
        {
            _effects.RememberFormerIds(areKnown);
        }
    }

    /// <summary>What others have counted is counted: it is taken out of what is not written yet.</summary>
    private void Retract(HashSet<UInt128> counted) =>
        CounterMetrics.Resends.Add(Pending.Sum(batch => batch.Retract(counted.Contains)));

    private void Answer(FindCountedOperation find) =>
        find.TryAnswer(CounterAnswer.Known(default) with { Yes = _counted.Holds(find) });

    /// <summary>
    /// What waits in the batch is answered without the database: when it is in the spool, or at once where there is none.
    /// </summary>
    private void Defer(CommitBatch batch)
    {
        if (!_settings.Spools)
        {
            _effects.Deferred(batch.AnswerDeferred(Kept), Reason);
            return;
        }

        batch.TellAway();
        foreach (var write in batch.Unspooled())
        {
            _spool.Add(batch, write, batch == _attempt && !IsFenced ? _sequence : 0);
        }

        SpoolNext();
    }

    private void Defer(CommitBatch batch, WriteOperation write)
    {
        if (IsFenced && write is AddOperation add && batch.TryMakeStale(add))
        {
            _counted.Forget(add);
            return;
        }

        if (!_settings.Spools)
        {
            Defer(batch);
            return;
        }

        _spool.Add(batch, write, sequence: 0);
        SpoolNext();
    }

    private void SpoolNext()
    {
        if (_spool.Begin() is { } group)
        {
            _effects.Spool(group);
        }
    }

    private void EmptySpool()
    {
        if (_spool.IsInUse && !_spool.IsBusy && !Pending.Any(static batch => batch.HasSpooled))
        {
            _spool.IsInUse = false;
            _effects.EmptySpool();
        }
    }

    /// <summary>
    /// The spool did not take it. It is not counted, but where a commit under way may have it; and while the database takes writes again it
    /// simply waits for its commit.
    /// </summary>
    private bool Refuse(WriteOperation write, List<CommitBatch> pending)
    {
        var answer = CounterAnswer.Unavailable(CounterReason.Spool);
        write.SpoolNumber = 0;
        if (!IsAway && !_quarantined.IsQuarantined(write.Key.Table))
        {
            return false;
        }

        if (_attempt?.Holds(write) == true && IsUnderWay)
        {
            if (_isSilent || _fate == CommitFate.Unknown)
            {
                _attempt.TryAnswer(write, answer);
            }

            _inDoubt.Add(write);
            return true;
        }

        return pending.Exists(batch => TryWithdraw(batch, write));
    }

    private bool TryWithdraw(CommitBatch batch, WriteOperation write)
    {
        if (!batch.TryWithdraw(write, CounterAnswer.Unavailable(CounterReason.Spool)))
        {
            return false;
        }

        _counted.Forget(write);
        return true;
    }

    /// <summary>
    /// The attempt has failed: writes of it that the spool did not take are answered, and taken out as soon as it is known that they were
    /// not committed.
    /// </summary>
    private void EndDoubt()
    {
        foreach (var write in _inDoubt)
        {
            if (_fate == CommitFate.Unknown)
            {
                _attempt!.TryAnswer(write, CounterAnswer.Unavailable(CounterReason.Spool));
            }
            else if (!TryWithdraw(_attempt!, write))
            {
                _attempt!.Withdraw(write);
                _counted.Forget(write);
            }
        }

        if (_fate == CommitFate.Unknown)
        {
            return;
        }

        _inDoubt.Clear();
    }

    private void NextIfIdle()
    {
        if (_step is WriterStep.Idle or WriterStep.Gathering)
        {
            Next();
        }
    }

    /// <summary>
    /// Whether more is worth waiting for. A commit costs the same for one mail as for ten, and mails that come one by one to a busy server
    /// would have one each. So it begins some time after the one before it, or when much waits. A flush does not wait.
    /// </summary>
    private bool MustGather(DateTimeOffset now) => _gathered < _settings.EnoughWrites && _flushes.Count == 0 && now < _nextAt;

    private bool GatherIfWorthIt(DateTimeOffset now)
    {
        if (!MustGather(now))
        {
            return false;
        }

        _effects.Gather(_nextAt - now);
        return true;
    }

    /// <summary>
    /// After each write: whether it is the last that is waited for. What a request adds to several counters comes as several writes, which
    /// are to be one commit. Not asked after a commit, whose clients count as waiting until they have their answers.
    /// </summary>
    private void LookForMore()
    {
        if (!_gathersWhatIsHere && (!MustGather(_settings.Steady.Now) || _settings.EveryClientWaits()))
        {
            _gathersWhatIsHere = true;
            _effects.GatherWhatIsHere();
        }
    }

    private void Next(bool hasGathered = false)
    {
        _gathersWhatIsHere = false;
        if (_questions.Count > 0)
        {
            _step = WriterStep.ReadingForQuestions;
            _effects.BeginWait(static () => "reading what is counted");
            ReadIds();
            return;
        }

        if (!_parts.TryDequeue(out _attempt))
        {
            if (_gathering.IsEmpty)
            {
                _step = WriterStep.Idle;
                AnswerFlushes(isWritten: false);   // what is left is of tables that the database refuses
                return;
            }

            // Asked once: with a later time the answer could be another, and nothing would end the wait.
            var now = _settings.Steady.Now;
            if (!hasGathered && GatherIfWorthIt(now))
            {
                _step = WriterStep.Gathering;
                return;
            }

            _nextAt = now + _settings.GatherTime;
            _attempt = _gathering;
            (_gathering, _unused, _gathered) = (_unused ?? new CommitBatch(), null, 0);
        }

        _sequence++;
        (_fate, _said) = (CommitFate.NotCommitted, null);
        var batch = _attempt;
        _effects.BeginWait(() => $"writing counters of {string.Join(", ", batch.Tables.Order(StringComparer.Ordinal))}");
        Attempt();
    }

    private void Attempt()
    {
        if (_fate == CommitFate.Unknown)
        {
            _step = WriterStep.LookingUp;
            _effects.LookUp(_node, _sequence);
        }
        else if (!_counted.IsComplete)
        {
            _step = WriterStep.ReadingIds;
            ReadIds();
        }
        else
        {
            Commit();
        }
    }

    private void ReadIds() => _effects.ReadIds(_settings.Clock.GetUtcNow() - _settings.ResendWindow, _counted.SeenCommits);

    private void Commit()
    {
        _step = WriterStep.Committing;
        var commit = _attempt!.ToCommit(_node, _sequence, _settings.Clock.GetUtcNow());
        _effects.Commit(commit with { Spooled = _spool.MarksWith(_attempt, _node) });
    }

    private void Pause(TimeSpan wait)
    {
        _step = WriterStep.Pausing;
        _effects.Pause(wait);
    }

    private void EndQuestions()
    {
        _effects.EndWait();
        AnswerQuestions();
        Next();
    }

    private void AnswerQuestions()
    {
        _questions.ForEach(Answer);
        _questions.Clear();
    }

    private void ReleaseTables(CommitBatch written)
    {
        if (_quarantined.Tables.Count == 0)
        {
            return;
        }

        foreach (var table in _quarantined.Tables.Intersect(written.Tables))
        {
            _effects.Say(new WriterEvent.TableTaken(table));
            if (_quarantined.Release(table) is { IsEmpty: false } waiting)
            {
                _parts.Enqueue(waiting);
            }
        }
    }

    /// <summary>Nobody waits for the database any more, until it has taken what is kept for it.</summary>
    private void GoAway()
    {
        CounterMetrics.FailedCommits.Add(1);
        if (!IsAway)
        {
            IsAway = true;
            _effects.Say(new WriterEvent.WentAway(Reason));
        }

        foreach (var batch in Pending)
        {
            Defer(batch);
        }

        AnswerQuestions();
        AnswerFlushes(isWritten: false);
    }

    /// <summary>
    /// Nothing was applied. One table's trouble is not the others': each is written by itself, and the one that is refused waits.
    /// </summary>
    private void OnRefused(string reason)
    {
        _effects.EndWait();
        EndDoubt();
        var attempt = _attempt!;
        var tables = attempt.Tables;
        attempt.SettleAllBut(tables);
        if (tables.Count > 1)
        {
            foreach (var table in tables)
            {
                _parts.Enqueue(attempt.TakeTable(table));
            }

            Next();
            return;
        }

        var refused = tables.Single();
        CounterMetrics.FailedCommits.Add(1);
        _effects.Say(new WriterEvent.TableRefused(refused, reason, !_quarantined.IsQuarantined(refused)));
        attempt.Absorb(_gathering.TakeTable(refused));
        _gathered = _gathering.IsEmpty ? 0 : _gathered;
        var (waiting, wait) = _quarantined.Quarantine(refused, attempt);
        Defer(waiting);
        _effects.PauseTable(refused, wait);
        Next();
    }

    /// <summary>
    /// For good. Of the commit that was refused it is certain that it is not in the database. Mails whose chain can run again are not kept:
    /// they are checked anew, by who counts them now.
    /// </summary>
    private void OnFenced(string reason)
    {
        _effects.EndWait();
        EndDoubt();
        (_step, IsAway, Reason) = (WriterStep.Fenced, true, reason);
        _effects.Say(new WriterEvent.WasFenced(reason));
        if (_attempt is { IsFollowUp: true } written)
        {
            // It is in the database; only its totals will not be known.
            _attempt = null;
            _effects.Deferred(written.AnswerDeferred(Kept), reason);
            written.SettleAllBut([]);
        }

        foreach (var batch in Pending)
        {
            foreach (var add in batch.Unspooled().OfType<AddOperation>().ToList())
            {
                if (batch.TryMakeStale(add))
                {
                    _counted.Forget(add);
                }
            }

            Defer(batch);
            batch.SettleAllBut([]);
        }

        AnswerQuestions();
        AnswerFlushes(isWritten: _spool.IsBusy);
    }

    /// <summary>Those of which all is written are told so; and all the others, when it cannot be written, that it is not.</summary>
    private void AnswerFlushes(bool isWritten = true)
    {
        if (_flushes.Count == 0)
        {
            return;
        }

        var oldest = Pending.Where(batch => !batch.IsEmpty).Min(batch => (long?)batch.Oldest) ?? long.MaxValue;
        foreach (var flush in _flushes.Where(flush => flush.Writes < oldest))
        {
            _effects.Flushed(flush.Asker, isWritten: true);
        }

        _flushes.RemoveAll(flush => flush.Writes < oldest);
        if (!isWritten)
        {
            _flushes.ForEach(flush => _effects.Flushed(flush.Asker, isWritten: false));
            _flushes.Clear();
        }
    }

    /// <summary>What is known of the attempt.</summary>
    private enum CommitFate
    {
        /// <summary>It is not in the database.</summary>
        NotCommitted,

        /// <summary>The connection broke in COMMIT.</summary>
        Unknown,
    }
}

/// <summary>What a writer is doing: at most one thing at a time is asked of the database.</summary>
internal enum WriterStep
{
    /// <summary>Nothing is to be written.</summary>
    Idle,

    /// <summary>More is waited for, for a few milliseconds.</summary>
    Gathering,

    /// <summary>At the start: it waits for what earlier lives have left in their spools.</summary>
    ReadingSpools,

    /// <summary>It reads which requests others have counted, since owners ask.</summary>
    ReadingForQuestions,

    /// <summary>It asks whether the attempt is in the database.</summary>
    LookingUp,

    /// <summary>It reads which requests of the attempt others have counted.</summary>
    ReadingIds,

    /// <summary>A transaction is under way.</summary>
    Committing,

    /// <summary>It has failed, and waits until it tries again.</summary>
    Pausing,

    /// <summary>It will write nothing any more.</summary>
    Fenced,
}
