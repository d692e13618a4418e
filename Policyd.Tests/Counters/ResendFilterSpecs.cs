using Policyd.Actors;
using Policyd.Counting.Writing;
using Policyd.Plugins.Sources;

namespace Policyd.Tests.Counters;

public sealed class ResendFilterSpecs
{
    private static readonly TimeSpan Keep = TimeSpan.FromMinutes(5);
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Request_is_known_for_at_least_as_long_as_promised_and_then_forgotten()
    {
        var filter = new ResendFilter(Keep, 1000);
        Assert.True(filter.TryAdd(Mail(1), Noon));
        Assert.True(filter.TryAdd(Mail(2), Noon + TimeSpan.FromMinutes(4)));
        Assert.False(filter.TryAdd(Mail(1), Noon + TimeSpan.FromMinutes(5)));
        Assert.False(filter.TryAdd(Mail(2), Noon + TimeSpan.FromMinutes(9)));
        Assert.True(filter.TryAdd(Mail(1), Noon + TimeSpan.FromMinutes(30)));
    }

    [Fact]
    public void Memory_is_bounded_by_forgetting_the_oldest()
    {
        var filter = new ResendFilter(Keep, 10);
        for (var id = Mail(1); id <= Mail(11); id += Mail(1))
        {
            Assert.True(filter.TryAdd(id, Noon));
        }

        Assert.False(filter.TryAdd(Mail(11), Noon));
        Assert.True(filter.TryAdd(Mail(1), Noon));
    }

    [Fact]
    public void Only_the_request_that_was_counted_is_held_not_another_of_the_same_mail()
    {
        var filter = new ResendFilter(Keep, 1000);
        Assert.False(filter.Holds(Mail(1) | 5));
        Assert.True(filter.TryAdd(Mail(1) | 5, Noon));
        Assert.False(filter.TryAdd(Mail(1) | 6, Noon));
        Assert.True(filter.Holds(Mail(1) | 5));
        Assert.False(filter.Holds(Mail(1) | 6));
        Assert.False(filter.Holds(Mail(2) | 5));
    }

    [Fact]
    public void Wait_doubles_up_to_the_longest_and_begins_anew_after_an_answer()
    {
        var backOff = new ExponentialDelay(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(350));
        Assert.Equal([100, 200, 350, 350], Enumerable.Range(0, 4).Select(_ => backOff.Next().TotalMilliseconds));
        backOff.Reset();
        Assert.Equal(100, backOff.Next().TotalMilliseconds);
    }

    private static UInt128 Mail(uint number) => (UInt128)number << 32;
}
