using System.Diagnostics;
using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class SharedDeadlinesSpecs
{
    [Fact]
    public async Task Token_is_cancelled_when_its_time_is_over_and_not_before()
    {
        var waited = Stopwatch.StartNew();
        var token = SharedDeadlines.After(TimeSpan.FromSeconds(1));
        await Eventually.Holds("the token to be cancelled", () => token.IsCancellationRequested);
        // the system's timers count in steps of some 15 ms
        Assert.True(waited.Elapsed > TimeSpan.FromMilliseconds(950), $"cancelled after {waited.Elapsed}");
    }

    [Fact]
    public void Those_that_end_at_one_time_are_one()
    {
        var asked = Stopwatch.StartNew();
        var tokens = Enumerable.Range(0, 1000).Select(_ => SharedDeadlines.After(TimeSpan.FromHours(1))).Distinct().Count();
        Assert.InRange(tokens, 1, 2 + (asked.ElapsedMilliseconds / SharedDeadlines.Coarseness));
    }

    [Fact]
    public async Task Many_may_ask_at_once_and_each_is_served()
    {
        var cancelled = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(asker => Task.Run(() =>
        {
            for (var number = 0; number < 500; number++)
            {
                SharedDeadlines.After(TimeSpan.FromMilliseconds(1000 + number)).Register(() => Interlocked.Increment(ref cancelled));
            }
        })));
        await Eventually.Holds("4000 cancellations", () => Volatile.Read(ref cancelled) == 4000);
    }

    [Fact]
    public void Short_times_and_clocks_of_tests_have_timers_of_their_own()
    {
        Assert.False(SharedDeadlines.Fit(TimeSpan.FromMilliseconds(999), TimeProvider.System));
        Assert.True(SharedDeadlines.Fit(TimeSpan.FromSeconds(1), TimeProvider.System));
        Assert.False(SharedDeadlines.Fit(TimeSpan.FromDays(2), TimeProvider.System));
        Assert.False(SharedDeadlines.Fit(TimeSpan.FromSeconds(1), new ManualClock()));
    }
}
