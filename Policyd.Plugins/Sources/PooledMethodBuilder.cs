using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Policyd.Plugins.Sources;

/// <summary>
/// Builds the <see cref="ValueTask{T}"/> of an async method, and keeps what a wait costs for the next: the box that holds its local
/// variables meanwhile. .NET's own PoolingAsyncValueTaskMethodBuilder keeps one box for each thread and processor. Where sixty requests
/// wait for one commit, nearly all were made anew. As with that one, what it builds is awaited once. An async method has it with
/// <c>[AsyncMethodBuilder(typeof(PooledMethodBuilder&lt;&gt;))]</c>; its members are for the compiler alone.
/// </summary>
/// <typeparam name="T">What the method returns.</typeparam>
[SuppressMessage("Performance", "CA1815", Justification = "Never compared.")]
[SuppressMessage("Design", "CA1000", Justification = "The compiler calls it.")]
public struct PooledMethodBuilder<T>
{
    private Box? _box;
    private T _result;

    /// <summary>The task.</summary>
    public readonly ValueTask<T> Task => _box is null ? new ValueTask<T>(_result) : new ValueTask<T>(_box, _box.Version);

    /// <summary>A builder.</summary>
    public static PooledMethodBuilder<T> Create() => default;

    // .NET's own builders keep the caller's execution context as it is in the same way.

    /// <summary>Begins the method.</summary>
    /// <typeparam name="TStateMachine">Its type.</typeparam>
    /// <param name="stateMachine">The method.</param>
    [SuppressMessage("Performance", "CA1822", Justification = "The compiler calls it.")]
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => default(AsyncValueTaskMethodBuilder).Start(ref stateMachine);

    /// <summary>Does nothing.</summary>
    /// <param name="stateMachine">The method.</param>
    [SuppressMessage("Performance", "CA1822", Justification = "The compiler calls it.")]
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine) => ArgumentNullException.ThrowIfNull(stateMachine);

    /// <summary>The method has returned.</summary>
    /// <param name="result">What it has returned.</param>
    public void SetResult(T result)
    {
        if (_box is null)
        {
            _result = result;
        }
        else
        {
            _box.SetResult(result);
        }
    }

    /// <summary>The method has failed.</summary>
    /// <param name="exception">Why.</param>
    public void SetException(Exception exception) => (_box ??= new Failed()).SetException(exception);

    /// <summary>The method waits.</summary>
    /// <typeparam name="TAwaiter">What is awaited.</typeparam>
    /// <typeparam name="TStateMachine">The method's type.</typeparam>
    /// <param name="awaiter">What is awaited.</param>
    /// <param name="stateMachine">The method.</param>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(BoxOf(ref stateMachine).GoOn);

    /// <summary>The method waits.</summary>
    /// <typeparam name="TAwaiter">What is awaited.</typeparam>
    /// <typeparam name="TStateMachine">The method's type.</typeparam>
    /// <param name="awaiter">What is awaited.</param>
    /// <param name="stateMachine">The method.</param>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(BoxOf(ref stateMachine).GoOn);

    // This builder is a field of the state machine: it must know the box before the machine is copied into it.
    private Waiting<TStateMachine> BoxOf<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_box is not Waiting<TStateMachine> box)
        {
            _box = box = Waiting<TStateMachine>.Take();
            box.StateMachine = stateMachine;
        }

        box.Context = ExecutionContext.Capture();
        return box;
    }

    /// <summary>The result of a method that did not complete at once.</summary>
    private abstract class Box : IValueTaskSource<T>
    {
        private ManualResetValueTaskSourceCore<T> _source;

        public short Version => _source.Version;

        public void SetResult(T result) => _source.SetResult(result);

        public void SetException(Exception exception) => _source.SetException(exception);

        public T GetResult(short token)
        {
            try
            {
                return _source.GetResult(token);
            }
            finally
            {
                _source.Reset();
                Keep();
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _source.OnCompleted(continuation, state, token, flags);

        protected abstract void Keep();
    }

    /// <summary>A method that failed before it waited.</summary>
    private sealed class Failed : Box
    {
        protected override void Keep()
        {
        }
    }

    /// <summary>A method that waits. Those that are not in use are a list; who finds it in use does without.</summary>
    private sealed class Waiting<TStateMachine> : Box
        where TStateMachine : IAsyncStateMachine
    {
        private const int Most = 256;

        private static readonly ContextCallback s_goOn = static box => ((Waiting<TStateMachine>)box!).StateMachine!.MoveNext();
        private static Waiting<TStateMachine>? s_kept;
        private static int s_count;
        private static int s_isInUse;

        private Waiting<TStateMachine>? _next;

        private Waiting() => GoOn = MoveNext;

        public TStateMachine? StateMachine;

        public ExecutionContext? Context { get; set; }

        public Action GoOn { get; }

        public static Waiting<TStateMachine> Take()
        {
            var taken = default(Waiting<TStateMachine>);
            if (Interlocked.Exchange(ref s_isInUse, 1) == 0)
            {
                taken = s_kept;
                if (taken is not null)
                {
                    s_kept = taken._next;
                    s_count--;
                }

                Volatile.Write(ref s_isInUse, 0);
            }

            return taken ?? new Waiting<TStateMachine>();
        }

        protected override void Keep()
        {
            (StateMachine, Context) = (default, null);
            if (Interlocked.Exchange(ref s_isInUse, 1) == 0)
            {
                if (s_count < Most)
                {
                    (_next, s_kept) = (s_kept, this);
                    s_count++;
                }

                Volatile.Write(ref s_isInUse, 0);
            }
        }

        private void MoveNext()
        {
            if (Context is { } context)
            {
                ExecutionContext.Run(context, s_goOn, this);
            }
            else
            {
                StateMachine!.MoveNext();
            }
        }
    }
}
