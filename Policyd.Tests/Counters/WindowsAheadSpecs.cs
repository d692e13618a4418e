using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>Which buckets that are yet to come are deleted.</summary>
public sealed class WindowsAheadSpecs
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(3600, -30, false)]
    [InlineData(3600, 30, false)]
    [InlineData(3600, 23 * 60, false)]
    [InlineData(3600, 25 * 60, true)]
    [InlineData(7 * 86400, 6 * 1440, false)]
    [InlineData(7 * 86400, 8 * 1440, true)]
    [InlineData(3600, 365 * 1440, true)]
    public void Bucket_is_far_ahead_when_it_begins_after_a_day_and_after_its_window_has_passed(int seconds, int minutes, bool expected) =>
        Assert.Equal(
            expected, WindowAge.IsFarAhead(CounterWindow.Sliding(TimeSpan.FromSeconds(seconds), Noon.AddMinutes(minutes)).Time, Noon));

    [Fact]
    public void Calendar_window_is_no_bucket_that_is_far_ahead() => Assert.False(WindowAge.IsFarAhead("2999-01", Noon));
}
