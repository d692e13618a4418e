using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Writing;

/// <summary>
/// What one transaction will write: a delta for each row, however many mails it adds up, and the ids of their requests. While a
/// commit is under way the next batch gathers, and while the database is away it goes on gathering: it is as large as
/// the rows and ids it names, not as the mails it counts.
/// </summary>
internal sealed class CommitBatch
{
    // Of a larger batch, such as the first after an outage, nothing is kept for the next.
    private const int Kept = 4096;

    private readonly Dictionary<RowName, Row> _rows = [];
    private readonly List<Entry> _entries = [];
    private readonly List<CounterDelta> _deltas = [];
    private readonly Stack<Row> _unused = new();
    private List<SettledQuestion>? _questions;
    private Dictionary<string, long>? _spooled;

    /// <summary>Whether it was found in the database, so that only its totals are to be read.</summary>
    public bool IsFollowUp { get; private set; }

    /// <summary>Whether entries of the spool are in it.</summary>
    public bool HasSpooled => _spooled is not null;

    /// <summary>Whether there is nothing to write; owners may wait for its turn all the same.</summary>
    public bool IsEmpty => _rows.Count == 0;

    public int Rows => _rows.Count;

    public int RequestIds => _entries.Count;

    /// <summary>The number of the oldest add in it, in the order of their coming; what was flushed is known by it.</summary>
    public long Oldest { get; set; } = long.MaxValue;

    /// <summary>What a stop would lose: of each table the rows, and the mails that they count.</summary>
    public IEnumerable<(string Table, int Rows, long Mails)> Unwritten =>
        from row in _rows
        where row.Value.IsAbsolute || row.Value.Delta != default
        group row.Value by row.Key.Table into table
        select (table.Key, table.Count(), table.Sum(row => row.IsAbsolute ? 0 : row.Delta.Count));

    public IReadOnlyCollection<string> Tables => [.. _rows.Keys.Select(id => id.Table).Distinct()];

    /// <summary>
    /// Takes a write. A resend puts nothing into the row, yet it is answered by the same commit, with the true total.
    /// </summary>
    public void Take(WriteOperation write, bool isResend)
    {
        var id = new RowName(write.Key.Table, write.Key.Key, write.Window.Time);
        if (!_rows.TryGetValue(id, out var row))
        {
            _rows.Add(id, row = _unused.TryPop(out var unused) ? unused : new Row());
        }

        write.IsResend = isResend;
        row.Take(write);
        if (write.IsAbsolute)
        {
            SettleEntries(row);
            row.IsAbsolute = true;
            row.Delta = write.Amounts;
        }
        else if (isResend)
        {
            row.Resent += write.Amounts;
        }
        else
        {
            row.Delta += write.Amounts;
            if (write.RequestId is { } requestId)
            {
                _entries.Add(new Entry(requestId, write.FormerId ?? requestId, row, write.Amounts));
            }
        }
    }

    /// <summary>The number of the last entry in it, by table.</summary>
    public IEnumerable<KeyValuePair<string, long>> Spooled => _spooled ?? Enumerable.Empty<KeyValuePair<string, long>>();

    /// <summary>Whether what is in it of a table is in the spool as well.</summary>
    public bool IsSpooled(string table) => _spooled?.ContainsKey(table) == true;

    /// <summary>An entry of the spool is in it; entries come with rising numbers.</summary>
    public void NoteSpooled(string table, long number) => (_spooled ??= new(StringComparer.Ordinal))[table] = number;

    /// <summary>The writes that are not answered and are not on their way to the spool.</summary>
    public IEnumerable<WriteOperation> Unspooled() => _rows.Values.SelectMany(static row => row.Unspooled());

    /// <summary>Whether the write is in this batch and is the next of its row to be answered.</summary>
    public bool Holds(WriteOperation write) => Find(write)?.IsFirst(write) == true;

    /// <summary>Answers a write, if it is in this batch and not answered yet.</summary>
    public bool TryAnswer(WriteOperation write, in CounterAnswer answer) => Find(write)?.TryAnswerFirst(write, answer) == true;

    /// <summary>Answers a write and takes it out again, if it is in this batch and not answered yet: it is not counted.</summary>
    public bool TryWithdraw(WriteOperation write, in CounterAnswer answer)
    {
        if (Find(write)?.TryAnswerFirst(write, answer) != true)
        {
            return false;
        }

        Withdraw(write);
        return true;
    }

    /// <summary>
    /// Has a mail that was let in checked again, and takes its add out. False for one that nobody waits for any more: it went on, and is to
    /// be counted.
    /// </summary>
    public bool TryMakeStale(AddOperation add)
    {
        if (!add.WasAdmitted
            || add.IsResend
            || Find(add)?.Contains(add) != true
            || !(add.TryAnswer(CounterAnswer.Stale) || add.IsOfAnotherNode))
        {
            return false;
        }

        Find(add)!.Remove(add);
        Withdraw(add);
        return true;
    }

    /// <summary>Takes a write out that is answered already. A resend has put nothing in.</summary>
    public void Withdraw(WriteOperation write)
    {
        if (write.IsResend || Find(write) is not { } row)
        {
            return;
        }

        row.Withdraw(write.Amounts);
        if (write.RequestId is { } id && _entries.FindLastIndex(entry => entry.RequestId == id && entry.Row == row) is >= 0 and var at)
        {
            _entries.RemoveAt(at);
        }
    }

    /// <summary>The owner is told when this batch is committed.</summary>
    public void Ask(SettledQuestion question) => (_questions ??= []).Add(question);

    /// <summary>
    /// Takes back the adds of requests that turn out to be counted already, by an earlier life of this server or by another node.
    /// </summary>
    public int Retract(Predicate<UInt128> counted) => _entries.RemoveAll(entry =>
    {
        if (!counted(entry.RequestId) && !counted(entry.FormerId))
        {
            return false;
        }

        entry.Row.Delta -= entry.Amounts;
        entry.Row.Resent += entry.Amounts;
        entry.Row.MarkResend(entry.RequestId);
        return true;
    });

    /// <summary>Forgets the oldest ids beyond <paramref name="bound"/>: their adds stay, only a resend of them would count twice.</summary>
    public int ForgetIds(int bound)
    {
        var excess = _entries.Count - bound;
        if (excess <= 0)
        {
            return 0;
        }

        // Some more at once: each removal moves all that is behind it.
        excess += bound / 64;
        _entries.RemoveRange(0, excess);
        return excess;
    }

    /// <summary>Takes the rows of one table out: what is wrong with it must not hold up the others.</summary>
    public CommitBatch TakeTable(string table)
    {
        var taken = new CommitBatch { Oldest = Oldest };
        foreach (var (id, row) in _rows.Where(row => row.Key.Table == table).ToList())
        {
            _rows.Remove(id);
            taken._rows.Add(id, row);
        }

        var rows = taken._rows.Values.ToHashSet();
        taken._entries.AddRange(_entries.Where(entry => rows.Contains(entry.Row)));
        _entries.RemoveAll(entry => rows.Contains(entry.Row));
        if (_spooled?.Remove(table, out var through) == true)
        {
            taken.NoteSpooled(table, through);
            _spooled = _spooled.Count == 0 ? null : _spooled;
        }

        taken._questions = _questions?.FindAll(question => question.Table == table);
        _questions?.RemoveAll(question => question.Table == table);
        Oldest = IsEmpty ? long.MaxValue : Oldest;
        return taken;
    }

    /// <summary>Takes in what gathered after this did.</summary>
    public void Absorb(CommitBatch later)
    {
        Oldest = Math.Min(Oldest, later.Oldest);
        var moved = new Dictionary<Row, Row>();
        foreach (var (id, row) in later._rows)
        {
            if (!_rows.TryGetValue(id, out var mine))
            {
                _rows.Add(id, row);
                continue;
            }

            if (row.IsAbsolute)
            {
                SettleEntries(mine);
            }

            mine.Absorb(row);
            moved.Add(row, mine);
        }

        _entries.AddRange(later._entries.Select(entry => moved.TryGetValue(entry.Row, out var mine) ? entry with { Row = mine } : entry));
        foreach (var (table, through) in later._spooled ?? [])
        {
            NoteSpooled(table, Math.Max(through, _spooled?.GetValueOrDefault(table) ?? 0));
        }

        later._questions?.ForEach(Ask);
    }

    /// <summary>It turned out that this batch is committed: what remains is to read its totals back and to answer.</summary>
    public void ForgetDeltas()
    {
        IsFollowUp = true;
        _entries.Clear();
        foreach (var row in _rows.Values)
        {
            row.Delta = default;
            row.IsAbsolute = false;
        }
    }

    /// <summary>What the database is to write. The deltas stay as they are until the batch is asked again.</summary>
    /// <param name="node">Who writes it.</param>
    /// <param name="sequence">Its number.</param>
    /// <param name="at">When it is made.</param>
    public CounterCommit ToCommit(Guid node, long sequence, DateTimeOffset at)
    {
        var ids = new UInt128[_entries.Count];
        for (var index = 0; index < ids.Length; index++)
        {
            ids[index] = _entries[index].RequestId;
        }

        _deltas.Clear();
        foreach (var (id, row) in _rows)
        {
            if (!row.IsWithdrawn)
            {
                _deltas.Add(new CounterDelta(id.Table, id.Key, id.Time, row.Delta, row.IsAbsolute));
            }
        }

        return new CounterCommit(node, sequence, at, ids, _deltas) { IdFormat = CounterRequestId.Version };
    }

    /// <summary>Answers all that waits, and tells an owner of a row whose total is not the one that it expects.</summary>
    public void AnswerCommitted(IReadOnlyList<(string Table, CounterRow Row)> totals)
    {
        foreach (var (table, total) in totals)
        {
            if (_rows.Remove(new RowName(table, total.Key, total.Time), out var row))
            {
                row.AnswerCommitted(total.Total);
                row.Clear();
                _unused.Push(row);
            }
        }

        foreach (var row in _rows.Values)
        {
            row.TellWithdrawn();
        }

        AnswerQuestions(isSettled: true, static _ => true);
    }

    /// <summary>
    /// Once it is committed and answered, this one with its memory as an empty batch; null where something is left in it, or it is large.
    /// </summary>
    public CommitBatch? Renewed()
    {
        if (_rows.Count > 0 || _unused.Count > Kept || _entries.Capacity > Kept)
        {
            return null;
        }

        _rows.Clear();
        _entries.Clear();
        (_questions, _spooled) = (null, null);
        (IsFollowUp, Oldest) = (false, long.MaxValue);
        return this;
    }

    /// <summary>
    /// The database is away, and a mail does not wait for it: those who wait are answered, and the adds stay in the batch. Returns how many
    /// were waiting.
    /// </summary>
    public int AnswerDeferred(in CounterAnswer answer)
    {
        var answered = 0;
        foreach (var row in _rows.Values)
        {
            answered += row.AnswerDeferred(answer);
        }

        TellAway();
        return answered;
    }

    /// <summary>The database is away: owners that would rather know are told so.</summary>
    public void TellAway() => AnswerQuestions(isSettled: false, static question => !question.IsPatient);

    /// <summary>
    /// Owners of tables of which nothing is in this batch wait for what came before it, which is committed: they must not be held up by a
    /// table that is refused.
    /// </summary>
    public void SettleAllBut(IReadOnlyCollection<string> tables) =>
        AnswerQuestions(isSettled: true, question => !tables.Contains(question.Table));

    private Row? Find(WriteOperation write) => _rows.GetValueOrDefault(new RowName(write.Key.Table, write.Key.Key, write.Window.Time));

    private void AnswerQuestions(bool isSettled, Predicate<SettledQuestion> which)
    {
        if (_questions is not { } questions)
        {
            return;
        }

        foreach (var question in questions.FindAll(which))
        {
            question.Owner.TellSettled(question.Number, isSettled);
        }

        questions.RemoveAll(which);
    }

    /// <summary>
    /// An operator's set makes nothing of the adds before it. Their ids stay: a resend of one of them must not add to what was set.
    /// </summary>
    private void SettleEntries(Row row)
    {
        for (var i = 0; i < _entries.Count; i++)
        {
            if (_entries[i].Row == row)
            {
                _entries[i] = _entries[i] with { Amounts = default };
            }
        }
    }

    private readonly record struct RowName(string Table, string Key, string Time)
    {
        /// <summary>Of the key alone: a key has hardly ever more than two rows in a commit.</summary>
        public override int GetHashCode() => Key.GetHashCode(StringComparison.Ordinal) ^ Table.Length;
    }

    private readonly record struct Entry(UInt128 RequestId, UInt128 FormerId, Row Row, CounterAmounts Amounts);

    private sealed class Row
    {
        private WriteOperation? _first;
        private WriteOperation? _last;
        private IRowOwner? _owner;
        private CounterWindow _window;
        private AddTrace _trace;
        private CounterAmounts _retracted;

        public CounterAmounts Delta { get; set; }

        /// <summary>What turned out to be counted already, and its owner has in its sum.</summary>
        public CounterAmounts Resent { get; set; }

        public bool IsAbsolute { get; set; }

        /// <summary>All that was in it was taken out again.</summary>
        public bool IsWithdrawn { get; private set; }

        /// <summary>All that was in it is answered; another row may have it.</summary>
        public void Clear()
        {
            (_first, _last, _owner, _window, _trace, _retracted) = (null, null, null, default, default, default);
            (Delta, Resent, IsAbsolute, IsWithdrawn) = (default, default, false, false);
        }

        public void Take(WriteOperation write)
        {
            IsWithdrawn = false;
            (_owner, _window, _trace) = (write.Owner, write.Window, write.Trace);
            Append(write, write);
        }

        public void Absorb(Row later)
        {
            (_owner, _window, _trace) = (later._owner, later._window, later._trace);
            Delta = later.IsAbsolute ? later.Delta : Delta + later.Delta;
            IsAbsolute |= later.IsAbsolute;
            IsWithdrawn &= later.IsWithdrawn;
            Resent += later.Resent;
            _retracted += later._retracted;
            if (later._first is not null)
            {
                Append(later._first, later._last!);
            }
        }

        public void AnswerCommitted(CounterAmounts total)
        {
            var difference = total - _trace.RowAfter;
            if (_owner is { } owner && MustBeTold(owner, difference))
            {
                owner.Reports += difference == default ? 0u : 1u;
                owner.Tell(new RowReport(_window, RowReportKind.Committed, total, _trace.Cumulated, _retracted)
                {
                    Number = owner.Reports,
                });
            }

            // The last trace holds all that was counted before, an earlier one only what stood before it.
            var notYet = Resent;
            for (var write = _first; write is not null; write = write.NextOfRow)
            {
                notYet -= write.IsResend && notYet != default ? write.Amounts : default;
                write.TryAnswer(CounterAnswer.Known(write.Trace.SumAfter + difference + notYet));
            }

            (_first, _last) = (null, null);
        }

        /// <summary>
        /// Whether the total is not what the owner has by now. Where its sum has changed since the trace, or is about to, an equal total
        /// may be chance.
        /// </summary>
        private bool MustBeTold(IRowOwner owner, CounterAmounts difference) =>
            !_trace.IsKnown
            || difference != default
            || IsAbsolute
            || Resent != default
            || _retracted != default
            || _trace.Reports != owner.Reports;

        /// <summary>Nothing of it is in the commit that is done.</summary>
        public void TellWithdrawn()
        {
            if (_retracted != default)
            {
                _owner?.Tell(new RowReport(_window, RowReportKind.RetractedForGood, _retracted) { Number = _owner.Reports });
                _retracted = default;
            }
        }

        /// <summary>The request of a write that is not answered yet turned out to be counted.</summary>
        public void MarkResend(UInt128 id)
        {
            var write = _first;
            while (write is not null && (write.IsResend || write.RequestId != id))
            {
                write = write.NextOfRow;
            }

            if (write is not null)
            {
                write.IsResend = true;
            }
        }

        public IEnumerable<WriteOperation> Unspooled()
        {
            for (var write = _first; write is not null; write = write.NextOfRow)
            {
                if (write.SpoolNumber == 0)
                {
                    yield return write;
                }
            }
        }

        public bool IsFirst(WriteOperation write) => _first == write;

        public bool Contains(WriteOperation write)
        {
            var one = _first;
            while (one is not null && one != write)
            {
                one = one.NextOfRow;
            }

            return one is not null;
        }

        public void Remove(WriteOperation write)
        {
            if (_first == write)
            {
                (_first, _last) = (write.NextOfRow, write.NextOfRow is null ? null : _last);
            }
            else
            {
                var before = _first!;
                while (before.NextOfRow != write)
                {
                    before = before.NextOfRow!;
                }

                before.NextOfRow = write.NextOfRow;
                _last = _last == write ? before : _last;
            }

            write.NextOfRow = null;
        }

        public bool TryAnswerFirst(WriteOperation write, in CounterAnswer answer)
        {
            if (_first != write)
            {
                return false;
            }

            RetractResent();
            (_first, _last) = (write.NextOfRow, write.NextOfRow is null ? null : _last);
            write.NextOfRow = null;
            write.TryAnswer(answer);
            return true;
        }

        public void Withdraw(CounterAmounts amounts)
        {
            Delta -= amounts;
            Retract(amounts);
            IsWithdrawn = Delta == default && !IsAbsolute && _first is null;
        }

        public int AnswerDeferred(in CounterAnswer answer)
        {
            RetractResent();
            var answered = 0;
            for (var write = _first; write is not null; write = write.NextOfRow)
            {
                write.TryAnswer(answer);
                answered++;
            }

            (_first, _last) = (null, null);
            return answered;
        }

        private void RetractResent()
        {
            if (Resent != default)
            {
                Retract(Resent);
                Resent = default;
            }
        }

        private void Retract(CounterAmounts amounts)
        {
            _retracted += amounts;
            if (_owner is { } owner)
            {
                owner.Tell(new RowReport(_window, RowReportKind.Retracted, amounts) { Number = ++owner.Reports });
            }
        }

        private void Append(WriteOperation first, WriteOperation last)
        {
            if (_last is null)
            {
                _first = first;
            }
            else
            {
                _last.NextOfRow = first;
            }

            _last = last;
        }
    }
}

/// <summary>An owner that waits until all that it has handed over is committed.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="Table">The table.</param>
/// <param name="Number">Goes back with the answer.</param>
/// <param name="IsPatient">False: to be told at once when the database is away.</param>
internal sealed record SettledQuestion(IRowOwner Owner, string Table, uint Number, bool IsPatient);
