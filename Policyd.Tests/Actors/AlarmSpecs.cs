using System.Diagnostics;
using Policyd.Actors.Dispatching;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class AlarmSpecs
{
    private static readonly TimeSpan Never = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private readonly List<long> _calls = [];

    [Fact]
    public async Task It_calls_once_and_not_before_its_time()
    {
        using var alarm = new Alarm("test", Called);
        for (var time = 1; time <= 3; time++)
        {
            var wait = TimeSpan.FromMilliseconds(20);
            var set = Stopwatch.GetTimestamp();
            alarm.Set(wait);
            await Calls(time);
            Assert.True(Stopwatch.GetElapsedTime(set, _calls[^1]) >= wait, "it called too soon");
        }
    }

    [Fact]
    public async Task One_that_is_set_anew_calls_at_the_new_time_only()
    {
        using var alarm = new Alarm("test", Called);
        alarm.Set(Never);
        alarm.Set(TimeSpan.Zero);   // earlier: the thread is woken
        await Calls(1);
        alarm.Set(Never / 2);
        alarm.Clear();
        alarm.Set(Never);           // later: it is not
        alarm.Set(TimeSpan.FromMilliseconds(50));
        await Calls(2);
        alarm.Set(TimeSpan.Zero);
        await Calls(3);
    }

    [Fact]
    public async Task One_that_was_cleared_calls_at_the_next_time_however_long_it_would_have_waited()
    {
        using var alarm = new Alarm("test", Called);
        for (var time = 1; time <= 200; time++)
        {
            alarm.Set(time % 3 == 0 ? TimeSpan.FromMilliseconds(1) : Never);
            alarm.Clear();
            var before = Count;   // a call may be under way when it is cleared
            alarm.Set(TimeSpan.FromMilliseconds(time % 2));
            await Eventually.Holds("the next call", () => Count > before);
        }
    }

    [Fact]
    public async Task It_may_be_set_by_what_it_calls()
    {
        Alarm? alarm = null;
        using var again = alarm = new Alarm(
            "test",
            () =>
            {
                Called();
                if (Count < 10)
                {
                    alarm!.Set(TimeSpan.Zero);
                }
            });
        alarm.Set(TimeSpan.Zero);
        await Calls(10);
    }

    [Fact]
    public async Task Its_thread_ends_with_it()
    {
        Thread? thread = null;
        var alarm = new Alarm("test", () => Volatile.Write(ref thread, Thread.CurrentThread));
        alarm.Set(TimeSpan.Zero);
        await Eventually.Holds("the call", () => Volatile.Read(ref thread) is not null);
        alarm.Set(Never);
        alarm.Dispose();
        await Eventually.Holds("the end of the thread", () => !thread!.IsAlive);
        new Alarm("never set", Called).Dispose();
    }

    private int Count
    {
        get
        {
            lock (_lock)
            {
                return _calls.Count;
            }
        }
    }

    private void Called()
    {
        lock (_lock)
        {
            _calls.Add(Stopwatch.GetTimestamp());
        }
    }

    private async Task Calls(int calls)
    {
        await Eventually.Holds($"call {calls}", () => Count >= calls);
        Assert.Equal(calls, Count);
    }
}
