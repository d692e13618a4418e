using System.Collections.Concurrent;
using Policyd.Plugins.Threads;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class LastOfItemSpecs
{
    private readonly ConcurrentQueue<(string Name, int Thread)> _done = new();

    // Elsewhere, so that this thread, which waits without giving itself back, is none that the pool may use for the rest.
    [Fact]
    public Task The_first_that_is_left_runs_at_the_end_on_the_same_thread_and_the_rest_in_the_pool() => OnOneThread(
        () =>
        {
            using (LastOfItem.Begin())
            {
                LastOfItem.Queue(Work("first", () => LastOfItem.Queue(Work("of the first"))));
                LastOfItem.Begin().Dispose();   // one within another is none
                Assert.DoesNotContain(_done, static one => one.Name == "first");
                LastOfItem.Queue(Work("second"));
                LastOfItem.Queue(Work("third"));
            }

            Assert.Contains(("first", Environment.CurrentManagedThreadId), _done);
            Assert.True(SpinWait.SpinUntil(() => _done.Count == 4, Eventually.Timeout), "waited in vain for the rest");
            Assert.DoesNotContain(
                _done, static one => one.Name != "first" && one.Thread == Environment.CurrentManagedThreadId);
        });

    [Fact]
    public Task Outside_of_an_item_all_goes_to_the_pool() => OnOneThread(
        () =>
        {
            LastOfItem.Begin().Dispose();
            LastOfItem.Queue(Work("only"));
            Assert.True(SpinWait.SpinUntil(() => !_done.IsEmpty, Eventually.Timeout), "waited in vain for the work");
            Assert.NotEqual(Environment.CurrentManagedThreadId, Assert.Single(_done).Thread);
        });

    private static Task OnOneThread(Action test) =>
        Task.Factory.StartNew(test, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private ItemOfWork Work(string name, Action? then = null) => new(
        () =>
        {
            _done.Enqueue((name, Environment.CurrentManagedThreadId));
            then?.Invoke();
        });

    private sealed class ItemOfWork(Action action) : IThreadPoolWorkItem
    {
        public void Execute() => action();
    }
}
