using System.Collections.Concurrent;
using Akka.Dispatch;
using Policyd.Actors.Dispatching;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class SenderTurnSpecs
{
    private readonly ConcurrentQueue<(string Name, int Thread)> _runs = new();

    [Fact]
    public void What_is_scheduled_within_a_turn_runs_at_its_end_on_its_thread_and_in_its_order()
    {
        var turn = SenderTurn.Begin();
        SenderTurn.Execute(Run("first", () => SenderTurn.Execute(Run("third"))));
        SenderTurn.Begin().Dispose();   // a turn within a turn is none
        SenderTurn.Execute(Run("second"));
        Assert.Empty(_runs);
        turn.Dispose();
        Assert.Equal(["first", "second", "third"], _runs.Select(static run => run.Name));
        Assert.All(_runs, static run => Assert.Equal(Environment.CurrentManagedThreadId, run.Thread));
    }

    [Fact]
    public async Task Outside_of_a_turn_the_pool_runs_it_and_that_is_a_turn_as_well()
    {
        SenderTurn.Execute(Run("first", () => SenderTurn.Execute(Run("second"))));
        await Eventually.Holds("both runs", () => _runs.Count == 2);
        Assert.Equal(["first", "second"], _runs.Select(static run => run.Name));
        Assert.Single(_runs.Select(static run => run.Thread).Distinct());
    }

    [Fact]
    public void One_that_schedules_itself_again_and_again_does_not_keep_the_sender()
    {
        var ended = false;
        using (SenderTurn.Begin())
        {
            SenderTurn.Execute(new Runs(Again));
        }

        Volatile.Write(ref ended, true);
        // This thread waits without giving itself back, so that it is no thread of the pool meanwhile.
        Assert.True(SpinWait.SpinUntil(() => !_runs.IsEmpty, Eventually.Timeout), "waited in vain for the last run");
        Assert.NotEqual(Environment.CurrentManagedThreadId, _runs.First().Thread);

        void Again() => SenderTurn.Execute(Volatile.Read(ref ended) ? Run("last") : new Runs(Again));
    }

    [Fact]
    public async Task A_turn_ends_and_what_waits_runs_elsewhere_when_one_throws()
    {
        Assert.Throws<InvalidOperationException>(Fails);
        await Eventually.Holds("the run that waited", () => !_runs.IsEmpty);
        using (SenderTurn.Begin())
        {
            SenderTurn.Execute(Run("next"));
        }

        Assert.Contains(_runs, static run => run == ("next", Environment.CurrentManagedThreadId));

        void Fails()
        {
            using var turn = SenderTurn.Begin();
            SenderTurn.Execute(new Runs(static () => throw new InvalidOperationException()));
            SenderTurn.Execute(Run("waited"));
        }
    }

    private Runs Run(string name, Action? also = null) => new(() =>
    {
        _runs.Enqueue((name, Environment.CurrentManagedThreadId));
        also?.Invoke();
    });

    private sealed class Runs(Action run) : IRunnable
    {
        public void Run() => run();

        public void Execute() => run();
    }
}
