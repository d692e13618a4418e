using Policyd.Actors;
using Policyd.Actors.Counters;

namespace Policyd.Tests.Counters;

public sealed class ResendFilterSpecs
{
    private static readonly TimeSpan Keep = TimeSpan.FromMinutes(5);
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Request_is_known_for_at_least_as_long_as_promised_and_then_forgotten()
    {
        var filter = new ResendFilter(Keep, 1000);
        Assert.True(filter.TryAdd(1, Noon));
        Assert.True(filter.TryAdd(2, Noon + TimeSpan.FromMinutes(4)));
        Assert.False(filter.TryAdd(1, Noon + TimeSpan.FromMinutes(5)));
        Assert.False(filter.TryAdd(2, Noon + TimeSpan.FromMinutes(9)));
        Assert.True(filter.TryAdd(1, Noon + TimeSpan.FromMinutes(30)));
    }

    [Fact]
    public void Memory_is_bounded_by_forgetting_the_oldest()
    {
        var filter = new ResendFilter(Keep, 10);
        for (UInt128 id = 1; id <= 11; id++)
        {
            Assert.True(filter.TryAdd(id, Noon));
        }

        Assert.False(filter.TryAdd(11, Noon));
        Assert.True(filter.TryAdd(1, Noon));
    }

    [Fact]
    public void Wait_doubles_up_to_the_longest_and_begins_anew_after_an_answer()
    {
        var backOff = new BackOff(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(350));
        Assert.Equal([100, 200, 350, 350], Enumerable.Range(0, 4).Select(_ => backOff.Next().TotalMilliseconds));
        backOff.Reset();
        Assert.Equal(100, backOff.Next().TotalMilliseconds);
    }
}
