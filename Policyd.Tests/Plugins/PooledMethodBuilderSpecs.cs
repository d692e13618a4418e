using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class PooledMethodBuilderSpecs
{
    private static readonly AsyncLocal<string> s_flows = new();

    [Fact]
    public async Task Each_of_many_that_wait_at_one_time_ends_with_its_own_result()
    {
        for (var round = 0; round < 3; round++)
        {
            var gates = Enumerable.Range(0, 300)
                .Select(static _ => new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously)).ToList();
            var running = gates.Select((gate, number) => TwiceAsync(gate.Task, number).AsTask()).ToList();
            Assert.DoesNotContain(running, static one => one.IsCompleted);
            for (var number = gates.Count - 1; number >= 0; number--)
            {
                gates[number].SetResult(number);
            }

            var results = await Eventually.Ends("all of them", Task.WhenAll(running));
            Assert.Equal(Enumerable.Range(0, 300).Select(static number => (number * 2) + number), results);
        }
    }

    [Fact]
    public async Task An_exception_comes_out_before_and_after_a_wait()
    {
        await Assert.ThrowsAsync<IOException>(static () => FailAsync(Task.CompletedTask).AsTask());
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var failing = FailAsync(gate.Task).AsTask();
        gate.SetResult();
        await Assert.ThrowsAsync<IOException>(() => Eventually.Ends("the failure", failing));
    }

    [Fact]
    public async Task What_flows_with_the_caller_is_there_after_a_wait_and_is_not_another_callers()
    {
        var (one, other) = (new TaskCompletionSource(), new TaskCompletionSource());
        s_flows.Value = "one";
        var first = FlowAsync(one.Task).AsTask();
        s_flows.Value = "other";
        var second = FlowAsync(other.Task).AsTask();
        s_flows.Value = "caller";
        await Task.Run(
            () =>
            {
                other.SetResult();
                one.SetResult();
            },
            TestContext.Current.CancellationToken);
        Assert.Equal(["one", "other", "caller"], [await first, await second, s_flows.Value]);
    }

    [SuppressMessage("Reliability", "CA2012", Justification = "The result of each is taken once.")]
    [Fact]
    public void A_wait_costs_no_garbage_once_as_many_have_waited_at_one_time()
    {
        const int AtOneTime = 50;
        Needs.OptimizedBuild();
        var gates = new Gate[AtOneTime];
        var running = new ValueTask<int>[AtOneTime];
        var sum = 0;
        for (var index = 0; index < AtOneTime; index++)
        {
            gates[index] = new Gate();
        }

        Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        var garbage = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(garbage, 0, 1_000);   // a box of each would be several times that
        Assert.Equal(2 * AtOneTime, sum);

        void Round()
        {
            for (var index = 0; index < AtOneTime; index++)
            {
                running[index] = WaitAsync(gates[index]);
            }

            for (var index = 0; index < AtOneTime; index++)
            {
                gates[index].Open();
                sum += running[index].Result;
            }
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<int> TwiceAsync(Task<int> gate, int own)
    {
        var first = await gate.ConfigureAwait(false);
        await Task.Yield();
        return first + own + await gate.ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<int> FailAsync(Task gate)
    {
        await gate.ConfigureAwait(false);
        throw new IOException();
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<string?> FlowAsync(Task gate)
    {
        await gate.ConfigureAwait(false);
        return s_flows.Value;
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<int> WaitAsync(Gate gate)
    {
        await gate;
        return 1;
    }

    /// <summary>Allocates nothing itself.</summary>
    private sealed class Gate : ICriticalNotifyCompletion
    {
        private Action? _waiting;

        public bool IsCompleted => false;

        public Gate GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => _waiting = continuation;

        public void UnsafeOnCompleted(Action continuation) => _waiting = continuation;

        public void Open() => _waiting!();
    }
}
