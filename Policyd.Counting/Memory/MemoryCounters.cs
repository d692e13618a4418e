using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Memory;

/// <summary>Reads the rows of a counter's window as they are before anything is counted here.</summary>
/// <param name="key">The counter.</param>
/// <param name="window">The window.</param>
/// <param name="ct">Ends the wait.</param>
public delegate Task<IReadOnlyList<CounterRow>> CounterOrigin(CounterKey key, CounterWindow window, CancellationToken ct);

/// <summary>
/// Counters that nobody else sees, for trying mail out: the owners of a server decide, and what they write stays in the memory of this
/// process. They begin at zero, or with rows that are read when a window is first asked for. The rows of those that nobody has asked for
/// lately go to a shelf, if there is one; without it the memory that they take grows with the keys and windows of the mails that are tried.
/// </summary>
public sealed class MemoryCounters : ICounters
{
    /// <summary>How many counters are in memory at most, but for those of the last ten minutes that hold places of mails.</summary>
    public const int MostHeld = 8_000;

    // Of one counter: a rolling window has a row for each of its sixty parts, and as many that are over.
    private const int MostRows = 150;

    // Of the requests of five minutes, by which one that is asked again is known: 1,600 of them a second.
    private const int MostIds = 1_000_000;

    private readonly Lock _gate = new();
    private readonly CounterWriterSettings _settings;
    private readonly CounterOrigin? _origin;
    private readonly Func<CounterKey, CounterKey>? _spelling;
    private readonly Dictionary<CounterKey, Counter> _counters = [];
    private readonly ResendFilter _counted;
    private readonly ICounterShelf? _shelf;
    private long _asked;
    private long _shelveAt = MostHeld;
    private bool _hasShelved;

    /// <summary>Makes counters.</summary>
    /// <param name="clock">The time of the mails.</param>
    /// <param name="origin">Reads the rows to begin with; null: all begin at zero.</param>
    /// <param name="spelling">The one spelling of all keys that are one; null: they are compared as they are written.</param>
    /// <param name="shelf">Where the rows of counters go that nobody has asked for lately; null: they stay in memory.</param>
    public MemoryCounters(
        TimeProvider clock, CounterOrigin? origin = null, Func<CounterKey, CounterKey>? spelling = null, ICounterShelf? shelf = null)
    {
        _settings = new CounterWriterSettings("", clock) { MaxPending = MostIds };
        _counted = new ResendFilter(_settings.ResendWindow, _settings.MaxPending);
        (_origin, _spelling, _shelf) = (origin, spelling, shelf);
    }

    /// <summary>How many counters are in memory.</summary>
    public int Held
    {
        get
        {
            lock (_gate)
            {
                return _counters.Count;
            }
        }
    }

    /// <summary>How many rows of them.</summary>
    public int HeldRows
    {
        get
        {
            lock (_gate)
            {
                return _counters.Values.Sum(static counter => counter.Rows.Count);
            }
        }
    }

    private OwnerTime Now => new(_settings.Steady.Now, _settings.Clock.GetUtcNow(), CounterLedger.UsualTimeout);

    /// <inheritdoc/>
    public void Send(CounterPhase phase)
    {
        ArgumentNullException.ThrowIfNull(phase);
        lock (_gate)
        {
            foreach (var operation in phase)
            {
                Take(operation);
            }

            if (_shelf is not null)
            {
                Shelve(_shelf);
            }
        }
    }

    /// <inheritdoc/>
    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
        lock (_gate)
        {
            _counters.GetValueOrDefault(Spelled(key))?.Owner.OnRelease(mail, window);
        }
    }

    /// <inheritdoc/>
    public bool KnowsFormerIds(string connection) => false;

    private CounterKey Spelled(CounterKey key) => _spelling?.Invoke(key) ?? key;

    // The half that was asked for longest ago. Each time costs a look at all, so it is due again only when as many have been asked for.
    private void Shelve(ICounterShelf shelf)
    {
        if (_asked < _shelveAt)
        {
            return;
        }

        _shelveAt = _asked + (MostHeld / 2);
        var (now, before) = (Now, _asked - (MostHeld / 2));
        var shelved = new List<Counter>();
        foreach (var counter in _counters.Values)
        {
            if (counter.Waiting is null)
            {
                counter.Look(now, mayEnd: counter.LastAsked <= before);
                if (counter.IsLeaving || counter.Rows.Count > MostRows)
                {
                    shelved.Add(counter);
                }
            }
        }

        shelf.Put(shelved.Select(
            static counter => KeyValuePair.Create<CounterKey, IReadOnlyDictionary<string, CounterAmounts>>(counter.Key, counter.Rows)));
        _hasShelved |= shelved.Count > 0;
        foreach (var counter in shelved)
        {
            counter.IsShelved();
            if (counter.IsLeaving)
            {
                _counters.Remove(counter.Key);
            }
        }
    }

    // Operations of a key keep their order: behind one that waits for rows the later ones wait as well.
    private void Take(CounterOperation operation)
    {
        var key = Spelled(operation.Key);
        if (!_counters.TryGetValue(key, out var counter))
        {
            _counters.Add(key, counter = new Counter(this, key));
        }

        counter.LastAsked = ++_asked;
        if (_origin is null || operation is FindCountedOperation)
        {
            counter.Owner.OnOperation(operation, Now);
        }
        else if (counter.Waiting is { } waiting)
        {
            waiting.Enqueue(operation);
        }
        else if (counter.HasRead(operation.Window))
        {
            counter.Owner.OnOperation(operation, Now);
        }
        else
        {
            counter.Waiting = new Queue<CounterOperation>([operation]);
            _ = Task.Run(() => ReadAsync(counter));
        }
    }

    private async Task ReadAsync(Counter counter)
    {
        while (true)
        {
            CounterOperation next;
            lock (_gate)
            {
                while (counter.Waiting!.TryPeek(out var ready) && counter.HasRead(ready.Window))
                {
                    counter.Owner.OnOperation(counter.Waiting.Dequeue(), Now);
                }

                if (!counter.Waiting.TryPeek(out next!))
                {
                    counter.Waiting = null;
                    return;
                }
            }

            IReadOnlyList<CounterRow>? rows;
            try
            {
                rows = await _origin!(counter.Key, next.Window, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e) when (e is CounterStoreException or OperationCanceledException)
            {
                rows = null;
            }

            lock (_gate)
            {
                if (rows is null)
                {
                    counter.Waiting.Dequeue().TryAnswer(CounterAnswer.Unavailable(CounterReason.Database));
                }
                else
                {
                    counter.BeginWith(next.Window, rows);
                }
            }
        }
    }

    /// <summary>A counter and all that a server would have of it in its database.</summary>
    private sealed class Counter : IOwnerEffects
    {
        private readonly MemoryCounters _counters;
        private readonly HashSet<string> _read = new(StringComparer.Ordinal);
        private bool _mayHaveMore;
        private uint _written;

        public Counter(MemoryCounters counters, CounterKey key)
        {
            (_counters, Key, _mayHaveMore) = (counters, key, counters._hasShelved);
            // The same life again, when it comes back from the shelf: nothing moves, and it ends only when nobody holds a place.
            Owner = new CounterOwner(this, life: 1);
        }

        public CounterKey Key { get; }

        public CounterOwner Owner { get; }

        /// <summary>The rows that are in memory.</summary>
        public Dictionary<string, CounterAmounts> Rows { get; } = new(StringComparer.Ordinal);

        /// <summary>When it was last asked: the number of operations before.</summary>
        public long LastAsked { get; set; }

        /// <summary>Whether its owner has ended.</summary>
        public bool IsLeaving { get; private set; }

        /// <summary>What waits for rows; null when nothing does.</summary>
        public Queue<CounterOperation>? Waiting { get; set; }

        public bool HasRead(CounterWindow window) => _read.Contains(window.Name);

        /// <summary>
        /// Its owner forgets what nobody asks for, and ends if nothing is lost by that. The second look finds it untouched.
        /// </summary>
        public void Look(OwnerTime now, bool mayEnd)
        {
            Owner.OnSettled(_written, isSettled: true, now);   // what is written here is committed at once
            for (var look = mayEnd ? 2 : 1; look > 0 && !IsLeaving; look--)
            {
                Owner.OnLook(now, isAway: false);
            }
        }

        /// <summary>Its rows are on the shelf.</summary>
        public void IsShelved()
        {
            _mayHaveMore = true;
            Rows.Clear();
            if (_read.Count > MostRows)
            {
                _read.Clear();   // what is read again does not replace what is on the shelf
            }
        }

        public void BeginWith(CounterWindow window, IReadOnlyList<CounterRow> rows)
        {
            _read.Add(window.Name);
            TakeFromShelf(window.RowsToRead);
            foreach (var row in rows)
            {
                Rows.TryAdd(row.Time, row.Total);
            }
        }

        public void Load(CounterWindow window)
        {
            var range = window.RowsToRead;
            TakeFromShelf(range);
            Owner.OnLoaded(
                window,
                [
                    .. Rows.Where(row => string.CompareOrdinal(row.Key, range.From) >= 0 && string.CompareOrdinal(row.Key, range.To) <= 0)
                        .Select(row => new CounterRow(Key.Key, row.Key, row.Value)),
                ],
                _counters.Now);
        }

        public void Write(WriteOperation write)
        {
            var (time, trace) = (write.Window.Time, write.Trace);
            var isResend = write.RequestId is { } id && !_counters._counted.TryAdd(id, _counters._settings.Steady.Now);
            if (!Rows.ContainsKey(time))
            {
                TakeFromShelf(new CounterTimeRange(time, time));
            }

            var total = Rows.GetValueOrDefault(time) + (isResend ? default : write.Amounts);
            Rows[time] = total;
            _written++;
            Owner.OnReport(new RowReport(write.Window, RowReportKind.Committed, total, trace.Cumulated), _counters.Now);
            write.TryAnswer(CounterAnswer.Known(trace.SumAfter + (total - trace.RowAfter)));
        }

        public void Find(FindCountedOperation find)
        {
            find.TryAnswer(CounterAnswer.Known(default) with { Yes = find.RequestIds.Any(_counters._counted.Holds) });
        }

        public void AskWhenSettled(uint number, bool patient) => Owner.OnSettled(number, isSettled: true, _counters.Now);

        private void TakeFromShelf(CounterTimeRange times)
        {
            if (_mayHaveMore)
            {
                foreach (var row in _counters._shelf!.Rows(Key, times))
                {
                    Rows.TryAdd(row.Time, row.Total);
                }
            }
        }

        public void HandBack(CounterOperation operation) => throw new NotSupportedException("its owner ends only when it is idle");

        public void Passivate() => IsLeaving = true;

        public void CloseGate() => throw new NotSupportedException("its owner ends only when it is idle");

        public void End() => throw new NotSupportedException("its owner ends only when it is idle");
    }
}
