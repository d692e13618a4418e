using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>When a source that failed is asked again, and by whom.</summary>
public sealed class BackOffSpecs
{
    private readonly ManualClock _clock = new();
    private readonly BackOff _backOff;

    public BackOffSpecs() => _backOff = new BackOff(_clock);

    [Fact]
    public void Failures_of_one_moment_are_one_failure()
    {
        var together = Enumerable.Range(0, 100).Select(_ => _backOff.Enter()).ToArray();
        Assert.DoesNotContain(together, static attempt => attempt.IsRefused);
        Assert.True(together[0].Failed());
        Assert.DoesNotContain(together, static attempt => attempt.Failed());
        Wait(0.49);
        Assert.True(_backOff.Enter().IsRefused);
        Wait(0.02);
        Assert.False(_backOff.Enter().IsRefused);
    }

    [Fact]
    public void Pause_doubles_up_to_five_seconds_and_lets_one_through()
    {
        _backOff.Enter().Failed();
        foreach (var pause in new[] { 0.5, 1, 2, 4, 5, 5 })
        {
            Wait(pause - 0.01);
            Assert.True(_backOff.Enter().IsRefused);
            Wait(0.02);
            using var probe = _backOff.Enter();
            Assert.False(probe.IsRefused);
            Assert.True(_backOff.Enter().IsRefused);
            Assert.False(probe.Failed());
        }
    }

    [Fact]
    public void Probe_that_lasts_longer_than_the_pause_stays_the_only_one()
    {
        _backOff.Enter().Failed();
        Wait(0.6);
        using var probe = _backOff.Enter();
        for (var i = 0; i < 100; i++)
        {
            Wait(1);
            using var other = _backOff.Enter();
            Assert.True(other.IsRefused);
        }

        Assert.False(probe.Failed());
        Wait(0.9);
        Assert.True(_backOff.Enter().IsRefused);   // the next pause begins with the end of the probe
        Wait(0.2);
        Assert.False(_backOff.Enter().IsRefused);
    }

    [Fact]
    public void Probe_that_is_cancelled_leaves_its_place_to_the_next()
    {
        _backOff.Enter().Failed();
        Wait(0.6);
        _backOff.Enter().Dispose();
        var second = _backOff.Enter();
        Assert.False(second.IsRefused);
        Assert.True(_backOff.Enter().IsRefused);
        Assert.True(second.Succeeded());
        Assert.False(_backOff.Enter().IsRefused);
    }

    [Fact]
    public void Place_of_a_probe_that_is_forgotten_is_given_on_after_a_while()
    {
        _backOff.Enter().Failed();
        Wait(0.6);
        var forgotten = _backOff.Enter();
        Assert.False(forgotten.IsRefused);
        Wait(299);
        Assert.True(_backOff.Enter().IsRefused);
        Wait(2);
        var next = _backOff.Enter();
        Assert.False(next.IsRefused);
        forgotten.Dispose();
        Assert.False(forgotten.Failed());
        Assert.True(_backOff.Enter().IsRefused);   // the late end of the first is none of the second
        Assert.True(next.Succeeded());
    }

    [Fact]
    public void Answer_ends_the_pause_and_what_began_before_it_says_nothing_any_more()
    {
        using var old = _backOff.Enter();
        Assert.False(old.Succeeded());
        Assert.True(_backOff.Enter().Failed());
        Wait(0.6);
        Assert.True(_backOff.Enter().Succeeded());
        Assert.False(old.Failed());
        Assert.False(_backOff.IsPaused);
        Assert.True(_backOff.Enter().Failed());
        Assert.Equal(TimeSpan.FromSeconds(0.5), _backOff.PauseLeft);
    }

    [Fact]
    public void Failure_of_one_while_later_ones_are_answered_is_no_failure_of_the_source()
    {
        using var slow = _backOff.Enter();
        Assert.False(_backOff.Enter().Succeeded());
        Assert.False(slow.Failed());
        Assert.False(_backOff.IsPaused);
        Assert.True(_backOff.Enter().Failed());
    }

    [Fact]
    public void Pause_begins_after_the_failures_in_a_row_that_are_told()
    {
        var patient = new BackOff(_clock, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(1), failuresToPause: 3);
        patient.Enter().Failed();
        patient.Enter().Failed();
        Assert.False(patient.Enter().Succeeded());
        patient.Enter().Failed();
        patient.Enter().Failed();
        Assert.False(patient.IsPaused);
        Assert.True(patient.Enter().Failed());
        Assert.True(patient.Enter().IsRefused);
    }

    [Fact]
    public async Task Hundred_callers_at_once_are_one_probe()
    {
        _backOff.Enter().Failed();
        for (var round = 0; round < 50; round++)
        {
            Wait(31);
            using var start = new Barrier(4);
            var let = 0;
            var probe = default(BackOff.Attempt);
            var callers = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    for (var i = 0; i < 25; i++)
                    {
                        if (_backOff.Enter() is { IsRefused: false } attempt)
                        {
                            Interlocked.Increment(ref let);
                            probe = attempt;
                        }
                    }
                },
                TestContext.Current.CancellationToken,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default));
            await Task.WhenAll(callers);
            Assert.Equal(1, let);
            probe.Failed();
        }
    }

    private void Wait(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));
}
