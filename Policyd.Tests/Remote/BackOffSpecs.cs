using Policyd.Plugins.Connections;

namespace Policyd.Tests.Remote;

/// <summary>When a source that failed is asked again.</summary>
public sealed class BackOffSpecs
{
    private readonly Clock _clock = new();

    [Fact]
    public void Failures_of_one_moment_are_one_failure()
    {
        var backOff = new BackOff(_clock);
        Assert.True(backOff.TryEnter());
        Assert.True(backOff.Failed());
        for (var i = 0; i < 100; i++)
        {
            Assert.False(backOff.Failed());
        }

        _clock.Advance(0.49);
        Assert.False(backOff.TryEnter());
        _clock.Advance(0.02);
        Assert.True(backOff.TryEnter());
    }

    [Fact]
    public void Pause_doubles_up_to_half_a_minute_and_lets_one_through()
    {
        var backOff = new BackOff(_clock);
        backOff.Failed();
        foreach (var pause in new[] { 0.5, 1, 2, 4, 8, 16, 30, 30 })
        {
            _clock.Advance(pause - 0.01);
            Assert.False(backOff.TryEnter());
            _clock.Advance(0.02);
            Assert.True(backOff.TryEnter());
            Assert.False(backOff.TryEnter());
            Assert.False(backOff.Failed());
        }
    }

    [Fact]
    public void Answer_ends_the_pause()
    {
        var backOff = new BackOff(_clock);
        Assert.False(backOff.Succeeded());
        backOff.Failed();
        Assert.True(backOff.Succeeded());
        Assert.True(backOff.TryEnter());
        Assert.True(backOff.Failed());
    }

    private sealed class Clock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(double seconds) => _ticks += TimeSpan.FromSeconds(seconds).Ticks;

        public override long GetTimestamp() => _ticks;
    }
}
