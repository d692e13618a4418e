using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;
using Policyd.Plugins.Threads;

namespace Policyd.Plugins.Counters;

/// <summary>
/// What a request asks of its counters at one time: operations that go out together and are awaited together, so that two quotas cost one
/// round trip. Made anew for each phase, sent once.
/// </summary>
public sealed class CounterPhase : IOperationAsker, IValueTaskSource, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationTokenRegistration _givingUp;
    private CounterOperation? _first;
    private CounterOperation? _last;

    // One more than there are operations, until all are sent: the answer to the first must not end the phase before the second is out.
    private int _open = 1;
    private int _ended;

    /// <summary>How many operations it has.</summary>
    public int Count { get; private set; }

    /// <summary>The operations, in the order in which they were put in.</summary>
    public Enumerator GetEnumerator() => new(_first);

    /// <summary>Puts an operation in; before the phase is sent.</summary>
    /// <param name="operation">A new operation.</param>
    /// <typeparam name="T">Its kind.</typeparam>
    /// <returns>The operation, whose answer is there when the phase has ended.</returns>
    /// <exception cref="InvalidOperationException">The operation is in a phase already.</exception>
    public T Put<T>(T operation)
        where T : CounterOperation
    {
        ArgumentNullException.ThrowIfNull(operation);
        if (operation.Asker is not null)
        {
            throw new InvalidOperationException("An operation is in one phase only.");
        }

        operation.Asker = this;
        if (_last is null)
        {
            _first = operation;
        }
        else
        {
            _last.Next = operation;
        }

        _last = operation;
        Count++;
        _open++;
        return operation;
    }

    /// <summary>
    /// Sends the operations. Completes when all are answered, or the token is cancelled: those without an answer then never get one, though
    /// an add that was handed over is committed all the same. Never throws; to be awaited once.
    /// </summary>
    /// <param name="counters">Who answers.</param>
    /// <param name="ct">The plugin's deadline.</param>
    public ValueTask RunAsync(ICounters counters, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(counters);
        counters.Send(this);
        if (Interlocked.Decrement(ref _open) == 0)
        {
            return ValueTask.CompletedTask;
        }

        _givingUp = ct.UnsafeRegister(static self => ((CounterPhase)self!).GiveUp(), this);
        return new ValueTask(this, _source.Version);
    }

    void IValueTaskSource.GetResult(short token)
    {
        _givingUp.Dispose();
        _source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    void IThreadPoolWorkItem.Execute() => _source.SetResult(true);

    void IOperationAsker.OnAnswered(CounterOperation operation)
    {
        if (Interlocked.Decrement(ref _open) == 0)
        {
            End();
        }
    }

    private void GiveUp()
    {
        for (var operation = _first; operation is not null; operation = operation.Next)
        {
            operation.Close();
        }

        End();
    }

    private void End()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            // Behind the owner's turn: the rest of the chain must not run inside of it.
            LastOfItem.Queue(this);
        }
    }

    /// <summary>Goes through the operations of a phase.</summary>
    [SuppressMessage("Performance", "CA1815", Justification = "Never compared.")]
    [SuppressMessage("Design", "CA1034", Justification = "As the enumerators of .NET's own collections.")]
    public struct Enumerator
    {
        private CounterOperation? _next;

        internal Enumerator(CounterOperation? first)
        {
            _next = first;
            Current = null!;
        }

        /// <summary>The present operation.</summary>
        public CounterOperation Current { get; private set; }

        /// <summary>Goes to the next operation.</summary>
        /// <returns>False behind the last.</returns>
        public bool MoveNext()
        {
            if (_next is not { } operation)
            {
                return false;
            }

            (Current, _next) = (operation, operation.Next);
            return true;
        }
    }
}
