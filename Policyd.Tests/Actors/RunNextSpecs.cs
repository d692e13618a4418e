using System.Collections.Concurrent;
using Akka.Dispatch;
using Policyd.Actors.Dispatching;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class RunNextSpecs
{
    private readonly ConcurrentQueue<(string Name, int Thread)> _runs = new();

    [Fact]
    public void What_a_turn_schedules_runs_after_it_on_its_thread_and_in_its_order()
    {
        var turn = RunNext.Begin();
        RunNext.Execute(Run("first", () => RunNext.Execute(Run("third"))));
        RunNext.Execute(Run("second"));
        Assert.Empty(_runs);
        turn.Dispose();
        Assert.Equal(["first", "second", "third"], _runs.Select(static run => run.Name));
        Assert.All(_runs, static run => Assert.Equal(Environment.CurrentManagedThreadId, run.Thread));
    }

    [Fact]
    public void A_turn_within_a_turn_is_none()
    {
        var turn = RunNext.Begin();
        Assert.False(RunNext.Begin().IsBegun);
        turn.Dispose();
        turn = RunNext.Begin();
        Assert.True(turn.IsBegun);
        turn.Dispose();
    }

    [Fact]
    public void A_turn_ends_and_what_waits_runs_when_its_code_throws()
    {
        Assert.Throws<InvalidOperationException>(Fails);
        Assert.Single(_runs);
        using var next = RunNext.Begin();
        Assert.True(next.IsBegun);

        void Fails()
        {
            using var turn = RunNext.Begin();
            RunNext.Execute(Run("waited"));
            throw new InvalidOperationException();
        }
    }

    [Fact]
    public void Outside_of_a_turn_the_pool_runs_it_and_that_is_a_turn_as_well()
    {
        RunNext.Execute(Run("first", () => RunNext.Execute(Run("second"))));
        WaitFor("both runs, while this thread is not the pool's", 2);
        Assert.Single(_runs.Select(static run => run.Thread).Distinct());
        Assert.NotEqual(Environment.CurrentManagedThreadId, _runs.First().Thread);
    }

    [Fact]
    public void Code_that_blocks_holds_neither_what_waited_nor_what_it_schedules()
    {
        var turn = RunNext.Begin();
        RunNext.Execute(Run("waited"));
        var closed = RunNext.Close();
        RunNext.Execute(Run("scheduled"));
        WaitFor("both runs, while the thread is blocked", 2);
        RunNext.Open(closed);
        RunNext.Execute(Run("after"));
        Assert.Equal(2, _runs.Count);
        turn.Dispose();
        Assert.Equal(Environment.CurrentManagedThreadId, _runs.Single(static run => run.Name == "after").Thread);
    }

    [Fact]
    public void What_a_turn_has_no_room_for_goes_to_the_pool()
    {
        var turn = RunNext.Begin();
        for (var i = 0; i < RunNext.Room; i++)
        {
            RunNext.Execute(Run("here"));
        }

        RunNext.Execute(Run("there"));
        WaitFor("the one that had no room", 1);
        Assert.Equal("there", Assert.Single(_runs).Name);
        turn.Dispose();
        Assert.Equal(RunNext.Room + 1, _runs.Count);
    }

    [Fact]
    public void A_turn_that_schedules_on_and_on_leaves_its_thread()
    {
        const int Runs = 1000;
        var turn = RunNext.Begin();
        RunNext.Execute(Again(1));
        turn.Dispose();
        WaitFor("every run", Runs);   // without giving this thread to the pool
        Assert.Contains(_runs, static run => run.Thread != Environment.CurrentManagedThreadId);

        IRunnable Again(int number) => Run("again", () =>
        {
            if (number < Runs)
            {
                RunNext.Execute(Again(number + 1));
            }
        });
    }

    [Fact]
    public void Of_threads_that_must_not_all_be_blocked_one_runs_nothing_that_may_block()
    {
        var threads = new BlockingThreads(1);
        Assert.True(threads.TryEnter());   // the other thread
        var turn = RunNext.Begin(threads);
        RunNext.ExecuteBlocking(Run("plugins"));
        RunNext.Execute(Run("router"));
        WaitFor("the plugins, in the pool", 1);
        Assert.Equal("plugins", Assert.Single(_runs).Name);
        turn.Dispose();

        threads.Leave();
        turn = RunNext.Begin(threads);
        RunNext.ExecuteBlocking(Run("here"));
        Assert.False(threads.TryEnter());
        turn.Dispose();
        Assert.Equal(Environment.CurrentManagedThreadId, _runs.Single(static run => run.Name == "here").Thread);
        Assert.True(threads.TryEnter());
    }

    // The thread of the turn must not change, so it waits without giving itself back.
    private void WaitFor(string what, int runs)
    {
        Assert.True(
            SpinWait.SpinUntil(() => _runs.Count >= runs, Eventually.Timeout), $"waited in vain for {what}");
    }

    private Runnable Run(string name, Action? then = null) => new(() =>
    {
        _runs.Enqueue((name, Environment.CurrentManagedThreadId));
        then?.Invoke();
    });

    private sealed class Runnable(Action action) : IRunnable
    {
        public void Run() => action();

        public void Execute() => action();
    }
}
