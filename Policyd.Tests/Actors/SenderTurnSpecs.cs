using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Dispatch;
using Policyd.Actors.Dispatching;
using Policyd.Plugins.Threads;
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

    [Fact]
    public async Task What_is_told_at_the_end_of_a_work_item_runs_there_and_then_what_it_leaves_to_the_pool()
    {
        using var system = ActorSystem.Create("turns");
        var actor = system.ActorOf(Props.Create(() => new Recorder(this)).WithDispatcher(SenderDispatcher.Of(system).Id));
        await Eventually.Holds("all to run where it was told, once no other thread is in the mailbox", () => Task.Run(RunsHere));
        await actor.GracefulStop(Eventually.Timeout);

        bool RunsHere()
        {
            _runs.Clear();
            SenderTurn.TellAtEnd(actor, "at the end");
            var here = Environment.CurrentManagedThreadId;
            return _runs.SequenceEqual([("at the end", here), ("left", here)]);
        }
    }

    [Fact]
    public async Task What_is_told_within_a_turn_leaves_nothing_to_its_thread()
    {
        using var system = ActorSystem.Create("turns");
        var actor = system.ActorOf(Props.Create(() => new Recorder(this)).WithDispatcher(SenderDispatcher.Of(system).Id));
        await Task.Factory.StartNew(
            () =>
            {
                using (SenderTurn.Begin())
                {
                    SenderTurn.TellAtEnd(actor, "first");
                    SenderTurn.Tell(actor, "second");
                }

                // This thread, which is none of the pool, waits without giving itself back.
                Assert.True(SpinWait.SpinUntil(() => _runs.Count == 4, Eventually.Timeout), "waited in vain for what was left");
                Assert.Equal(2, _runs.Count(static run => run.Name == "left" && run.Thread != Environment.CurrentManagedThreadId));
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await actor.GracefulStop(Eventually.Timeout);
    }

    private Runs Run(string name, Action? also = null) => new(() =>
    {
        _runs.Enqueue((name, Environment.CurrentManagedThreadId));
        also?.Invoke();
    });

    /// <summary>Notes each message, and leaves a piece of work to the pool.</summary>
    private sealed class Recorder(SenderTurnSpecs specs) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            specs._runs.Enqueue(((string)message, Environment.CurrentManagedThreadId));
            LastOfItem.Queue(specs.Run("left"));
        }
    }

    private sealed class Runs(Action run) : IRunnable, IThreadPoolWorkItem
    {
        public void Run() => run();

        public void Execute() => run();
    }
}
