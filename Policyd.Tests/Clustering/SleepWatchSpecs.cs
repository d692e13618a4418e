using Policyd.Actors.Clustering;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>A process that stood still does not take itself for a member before it has heard so.</summary>
public sealed class SleepWatchSpecs
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(3);
    private readonly ManualClock _clock = new();
    private readonly SleepWatch _watch;

    public SleepWatchSpecs() => _watch = new SleepWatch(_clock, s_longest);

    [Fact]
    public void While_it_is_looked_at_in_time_it_is_sure()
    {
        for (var look = 0; look < 10; look++)
        {
            _clock.Advance(s_longest);
            Assert.True(_watch.IsSure);
            Assert.Null(_watch.Look());
        }

        Assert.Equal((true, 0), (_watch.IsSure, _watch.Sleeps));
    }

    [Fact]
    public void After_a_stop_it_is_not_sure_before_anybody_looks_nor_after_until_it_is_told()
    {
        _clock.Advance(TimeSpan.FromSeconds(31));
        Assert.False(_watch.IsSure);
        Assert.Equal(TimeSpan.FromSeconds(31), _watch.Look());
        Assert.Equal((false, 1), (_watch.IsSure, _watch.Sleeps));
        Assert.Null(_watch.Look());
        Assert.False(_watch.IsSure);
        _watch.Confirm(1);
        Assert.True(_watch.IsSure);
    }

    [Fact]
    public void Answer_to_a_question_from_before_the_stop_tells_nothing()
    {
        var before = _watch.Sleeps;
        _clock.Advance(TimeSpan.FromSeconds(4));
        _watch.Look();
        _watch.Confirm(before);
        Assert.False(_watch.IsSure);
        _watch.Confirm(_watch.Sleeps);
        _clock.Advance(TimeSpan.FromSeconds(4));
        Assert.False(_watch.IsSure);
        _watch.Look();
        _watch.Confirm(1);
        Assert.False(_watch.IsSure);
        _watch.Confirm(2);
        Assert.True(_watch.IsSure);
    }
}
