using Policyd.Bench.Load;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The times of an open loop: evenly spaced for ever, and kept by a request that is sent late.</summary>
public class RateScheduleSpecs
{
    private const long Frequency = 1_000_000_000;

    [Fact]
    public void Request_is_taken_when_it_is_due_and_not_before()
    {
        var schedule = new RateSchedule(100, start: 500, Frequency);
        Assert.True(schedule.TryTake(500, out var due));
        Assert.Equal(500, due);
        Assert.Equal(10_000_500, schedule.Next);
        Assert.False(schedule.TryTake(10_000_499, out _));
        Assert.True(schedule.TryTake(10_000_500, out due));
        Assert.Equal(10_000_500, due);
    }

    [Fact]
    public void Requests_that_are_sent_late_keep_their_own_times()
    {
        var schedule = new RateSchedule(1000, start: 0, Frequency);
        var dues = new List<long>();
        while (schedule.TryTake(5_000_000, out var due))
        {
            dues.Add(due);
        }

        Assert.Equal([0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000], dues);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(0.7)]
    [InlineData(999.9)]
    public void Rate_does_not_drift(double rate)
    {
        var schedule = new RateSchedule(rate, start: 7, Frequency);
        const int Requests = 100_000;
        for (var number = 0; number < Requests; number++)
        {
            Assert.True(schedule.TryTake(long.MaxValue, out _));
        }

        Assert.Equal(7 + (Requests / rate * Frequency), schedule.Next, tolerance: 100.0);
    }

    [Fact]
    public void Untaken_requests_are_those_due_before_the_end()
    {
        var schedule = new RateSchedule(10, start: 0, Frequency);
        // Due at 0, 0.1 and 0.2 s; the one at 0.3 is not before the end.
        Assert.Equal(3, schedule.CountUntaken(Frequency * 3 / 10));
        Assert.True(schedule.TryTake(0, out _));
        Assert.Equal(2, schedule.CountUntaken(Frequency * 3 / 10));
        Assert.Equal(0, schedule.CountUntaken(0));
    }
}
