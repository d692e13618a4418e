using Policyd.Server.Hosting;

namespace Policyd.Tests.Server;

/// <summary>When a server gives memory back to the system.</summary>
public sealed class QuietSpellSpecs
{
    private const int Libraries = 100;

    private readonly QuietSpell _spell = new();

    [Fact]
    public void Start_is_followed_by_as_many_times_as_the_compiler_needs()
    {
        Assert.Equal(QuietSpell.Times, DuePeriods(10, allocated: 0));
        Assert.Equal(0, DuePeriods(10, allocated: 0));
    }

    [Fact]
    public void Server_that_is_asked_is_left_alone_until_nobody_asks()
    {
        for (var requests = 1; requests < 20; requests++)
        {
            Assert.False(_spell.IsDue(requests, inFlight: 0, connections: 1, allocated: 0, Libraries));
        }

        Assert.False(_spell.IsDue(19, inFlight: 1, connections: 1, allocated: 0, Libraries));
        Assert.True(_spell.IsDue(19, inFlight: 0, connections: 1, allocated: 0, Libraries));
    }

    [Fact]
    public void Few_bytes_are_not_worth_a_collection()
    {
        DuePeriods(10, allocated: 0);
        Assert.Equal(0, DuePeriods(10, QuietSpell.Much - 1));
    }

    [Fact]
    public void What_was_allocated_is_given_back_however_slowly_it_came()
    {
        DuePeriods(10, allocated: 0);
        Assert.Equal(0, DuePeriods(10, QuietSpell.Much / 2));
        Assert.Equal(QuietSpell.Times, DuePeriods(10, QuietSpell.Much));
        Assert.Equal(0, DuePeriods(10, QuietSpell.Much + 1));
    }

    [Fact]
    public void Connections_that_come_are_followed_by_requests()
    {
        for (var connections = 1; connections <= 20; connections++)
        {
            Assert.False(_spell.IsDue(0, inFlight: 0, connections, allocated: 0, Libraries));
        }

        Assert.True(_spell.IsDue(0, inFlight: 0, connections: 20, allocated: 0, Libraries));
    }

    [Fact]
    public void Server_that_stood_still_for_long_is_not_stopped_again_soon()
    {
        var tooLong = QuietSpell.LongestPause + TimeSpan.FromMilliseconds(1);
        Assert.Equal(1, DuePeriods(1 + QuietSpell.Rest, allocated: 0, tooLong));
        Assert.Equal(1, DuePeriods(QuietSpell.Rest, allocated: 0, tooLong));
        Assert.Equal(QuietSpell.Times - 2, DuePeriods(10 * QuietSpell.Rest, allocated: 0, tooLong));
        Assert.Equal(1, DuePeriods(2, QuietSpell.Much, tooLong));
        Assert.Equal(QuietSpell.Times, DuePeriods(10, 2 * QuietSpell.Much, QuietSpell.LongestPause));
    }

    [Fact]
    public void Library_that_was_loaded_leaves_something_behind()
    {
        Assert.Equal(QuietSpell.Times, DuePeriods(10, allocated: 0));
        Assert.Equal(QuietSpell.Times, DuePeriods(10, allocated: 1, libraries: Libraries + 1));
        Assert.Equal(0, DuePeriods(10, allocated: 2, libraries: Libraries + 1));
    }

    private int DuePeriods(int periods, long allocated, TimeSpan pause = default, int libraries = Libraries)
    {
        var due = 0;
        for (; periods > 0; periods--)
        {
            if (_spell.IsDue(requests: 0, inFlight: 0, connections: 1, allocated, libraries))
            {
                due++;
                _spell.Took(pause);
            }
        }

        return due;
    }
}
