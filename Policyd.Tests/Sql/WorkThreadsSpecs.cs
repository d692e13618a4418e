using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

public sealed class WorkThreadsSpecs
{
    [Fact]
    public async Task Work_is_done_in_its_order_on_one_thread_and_what_was_given_before_the_end_is_done()
    {
        var thread = new WorkThreads("work", 1);
        var done = new List<int>();
        var threads = new HashSet<int>();
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        for (var number = 0; number < 1000; number++)
        {
            var mine = number;
            thread.Run(() =>
            {
                done.Add(mine);
                threads.Add(Environment.CurrentManagedThreadId);
                if (mine == 999)
                {
                    last.SetResult();
                }
            });
        }

        thread.End();
        await Eventually.Ends("the last work", last.Task.ContinueWith(_ => true, TaskScheduler.Default));
        Assert.Equal(Enumerable.Range(0, 1000), done);
        Assert.Single(threads);
        Assert.DoesNotContain(Environment.CurrentManagedThreadId, threads);
    }

    [Fact]
    public async Task Work_given_to_a_thread_that_sleeps_wakes_it()
    {
        var thread = new WorkThreads("work", 1);
        for (var round = 0; round < 200; round++)
        {
            var done = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            thread.Run(() => done.SetResult(round));
            Assert.Equal(round, await Eventually.Ends("the work", done.Task));
        }

        thread.End();
    }
}
