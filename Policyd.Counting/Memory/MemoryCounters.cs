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
/// process. They begin at zero, or with rows that are read when a window is first asked for. Keys are compared as they are written. Sums
/// are never forgotten: the memory that they take grows with the keys and windows of the mails that are tried.
/// </summary>
public sealed class MemoryCounters : ICounters
{
    private readonly Lock _gate = new();
    private readonly CounterWriterSettings _settings;
    private readonly CounterOrigin? _origin;
    private readonly Dictionary<CounterKey, Counter> _counters = [];
    private readonly ResendFilter _counted;

    /// <summary>Makes counters.</summary>
    /// <param name="clock">The time of the mails.</param>
    /// <param name="origin">Reads the rows to begin with; null: all begin at zero.</param>
    public MemoryCounters(TimeProvider clock, CounterOrigin? origin = null)
    {
        _settings = new CounterWriterSettings("", clock);
        _counted = new ResendFilter(_settings.ResendWindow, _settings.MaxPending);
        _origin = origin;
    }

    private OwnerTime Now => new(_settings.Steady.Now, _settings.Clock.GetUtcNow());

    /// <inheritdoc/>
    public void Send(CounterPhase phase)
    {
        ArgumentNullException.ThrowIfNull(phase);
        foreach (var operation in phase)
        {
            lock (_gate)
            {
                Take(operation);
            }
        }
    }

    /// <inheritdoc/>
    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
        lock (_gate)
        {
            _counters.GetValueOrDefault(key)?.Owner.OnRelease(mail, window);
        }
    }

    /// <inheritdoc/>
    public bool KnowsFormerIds(string connection) => false;

    // Operations of a key keep their order: behind one that waits for rows the later ones wait as well.
    private void Take(CounterOperation operation)
    {
        if (!_counters.TryGetValue(operation.Key, out var counter))
        {
            _counters.Add(operation.Key, counter = new Counter(this, operation.Key));
        }

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
                rows = await _origin!(next.Key, next.Window, CancellationToken.None).ConfigureAwait(false);
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
        private readonly Dictionary<string, CounterAmounts> _rows = new(StringComparer.Ordinal);
        private readonly HashSet<string> _read = new(StringComparer.Ordinal);

        public Counter(MemoryCounters counters, CounterKey key)
        {
            (_counters, Key) = (counters, key);
            // A life that never ends: nothing moves, and nothing is passivated.
            Owner = new CounterOwner(this, CounterLedger.UsualTimeout, life: 1);
        }

        public CounterKey Key { get; }

        public CounterOwner Owner { get; }

        /// <summary>What waits for rows; null when nothing does.</summary>
        public Queue<CounterOperation>? Waiting { get; set; }

        public bool HasRead(CounterWindow window) => _read.Contains(window.Name);

        public void BeginWith(CounterWindow window, IReadOnlyList<CounterRow> rows)
        {
            _read.Add(window.Name);
            foreach (var row in rows)
            {
                _rows.TryAdd(row.Time, row.Total);
            }
        }

        public void Load(CounterWindow window)
        {
            var range = window.RowsToRead;
            Owner.OnLoaded(
                window,
                [
                    .. _rows.Where(row => string.CompareOrdinal(row.Key, range.From) >= 0 && string.CompareOrdinal(row.Key, range.To) <= 0)
                        .Select(row => new CounterRow(Key.Key, row.Key, row.Value)),
                ],
                _counters.Now);
        }

        public void Write(WriteOperation write)
        {
            var (time, trace) = (write.Window.Time, write.Trace);
            var isResend = write.RequestId is { } id && !_counters._counted.TryAdd(id, _counters._settings.Steady.Now);
            var total = _rows.GetValueOrDefault(time) + (isResend ? default : write.Amounts);
            _rows[time] = total;
            Owner.OnReport(new RowReport(write.Window, total, trace.Cumulated, IsRetracted: false), _counters.Now);
            write.TryAnswer(CounterAnswer.Known(trace.SumAfter + (total - trace.RowAfter)));
        }

        public void Find(FindCountedOperation find)
        {
            find.TryAnswer(CounterAnswer.Known(default) with { Yes = find.RequestIds.Any(_counters._counted.Holds) });
        }

        public void AskWhenSettled(uint number, bool patient) => Owner.OnSettled(number, isSettled: true, _counters.Now);

        public void HandBack(CounterOperation operation) => throw new NotSupportedException("its owner does not end");

        public void Passivate() => throw new NotSupportedException("its owner does not end");

        public void CloseGate() => throw new NotSupportedException("its owner does not end");

        public void End() => throw new NotSupportedException("its owner does not end");
    }
}
