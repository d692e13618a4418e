using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>One computation for all who want the same at the same time.</summary>
public sealed class SharedCallsSpecs
{
    private readonly SharedCalls _calls = new();

    [Fact]
    public async Task Callers_of_one_key_share_a_computation_and_later_ones_do_not()
    {
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var computed = 0;
        var callers = Enumerable.Range(0, 100).Select(_ => CallAsync("a", async _ =>
        {
            Interlocked.Increment(ref computed);
            return await gate.Task;
        })).ToList();
        Assert.Equal(7, await CallAsync("b", static _ => new ValueTask<int>(7)));
        Assert.Equal(1, _calls.Count);
        gate.SetResult(5);
        Assert.All(await Eventually.Ends("all callers", Task.WhenAll(callers)), static value => Assert.Equal(5, value));
        Assert.Equal(1, computed);
        Assert.Equal(6, await CallAsync("a", static _ => new ValueTask<int>(6)));
        Assert.Equal(0, _calls.Count);
    }

    [Fact]
    public async Task One_that_is_cancelled_leaves_the_others_their_computation()
    {
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var mine = new CancellationTokenSource();
        var stopped = CancellationToken.None;
        var first = RunAsync(
            "a",
            async stop =>
            {
                stopped = stop;
                return await gate.Task.WaitAsync(stop);
            },
            mine.Token);
        var second = CallAsync("a", static _ => throw new InvalidOperationException("computed twice"));
        await mine.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(stopped.IsCancellationRequested);
        gate.SetResult(5);
        Assert.Equal(5, await Eventually.Ends("the second", second));
    }

    [Fact]
    public async Task When_the_last_has_left_the_computation_is_cancelled_and_the_next_one_begins_anew()
    {
        using var mine = new CancellationTokenSource();
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource<int>();
        var first = RunAsync(
            "a",
            async stop =>
            {
                await using var told = stop.Register(stopped.SetResult);
                return await never.Task;
            },
            mine.Token);
        await mine.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await Eventually.Holds("the computation to be told", () => stopped.Task.IsCompleted);
        Assert.Equal(0, _calls.Count);
        Assert.Equal(6, await CallAsync("a", static _ => new ValueTask<int>(6)));
    }

    [Fact]
    public async Task What_fails_for_the_first_is_computed_once_more_for_all_others_together()
    {
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var second = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = CallAsync("a", async _ => await gate.Task);
        var computed = 0;
        var others = Enumerable.Range(0, 50).Select(_ => CallAsync("a", async _ =>
        {
            Interlocked.Increment(ref computed);
            return await second.Task;
        })).ToList();
        gate.SetException(new InvalidOperationException("no time left"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => first);
        await Eventually.Holds("a second computation", () => Volatile.Read(ref computed) > 0);
        second.SetResult(5);
        Assert.All(await Eventually.Ends("the others", Task.WhenAll(others)), static value => Assert.Equal(5, value));

        // One that comes to it when it is over computes for himself.
        Assert.InRange(computed, 1, 50);
    }

    [Fact]
    public async Task What_fails_always_fails_for_all_after_two_computations_each_at_most()
    {
        var computed = 0;
        var callers = Enumerable.Range(0, 20).Select(_ => CallAsync("a", async _ =>
        {
            Interlocked.Increment(ref computed);
            await Task.Yield();
            throw new InvalidOperationException("never");
        })).ToList();
        foreach (var caller in callers)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => caller);
        }

        Assert.InRange(computed, 1, 40);
        Assert.Equal(0, _calls.Count);
    }

    [Fact]
    public async Task Values_of_two_types_are_two_computations()
    {
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var number = CallAsync("a", async _ => await gate.Task);
        Assert.Equal("x", await _calls.RunAsync("a", static _ => new ValueTask<string>("x"), TestContext.Current.CancellationToken));
        gate.SetResult(1);
        Assert.Equal(1, await number);
    }

    private Task<int> CallAsync(string key, Func<CancellationToken, ValueTask<int>> compute) =>
        RunAsync(key, compute, TestContext.Current.CancellationToken);

    private Task<int> RunAsync(string key, Func<CancellationToken, ValueTask<int>> compute, CancellationToken ct) =>
        _calls.RunAsync(key, compute, ct).AsTask();
}
