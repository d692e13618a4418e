using Policyd.Server.Hosting;

namespace Policyd.Tests.Server;

/// <summary>When a server gives memory back to the system.</summary>
public sealed class QuietSpellSpecs
{
    private readonly QuietSpell _spell = new();

    [Fact]
    public void Start_is_followed_by_as_many_times_as_the_compiler_needs()
    {
        Assert.Equal(QuietSpell.Times, DuePeriods(10, requests: 0));
        Assert.Equal(0, DuePeriods(10, requests: 0));
    }

    [Fact]
    public void Server_that_is_asked_is_left_alone_until_nobody_asks()
    {
        for (var requests = 1; requests < 20; requests++)
        {
            Assert.False(_spell.IsDue(requests, inFlight: 0, connections: 1));
        }

        Assert.False(_spell.IsDue(19, inFlight: 1, connections: 1));
        Assert.True(_spell.IsDue(19, inFlight: 0, connections: 1));
    }

    [Fact]
    public void Few_requests_leave_nothing_that_is_worth_a_collection()
    {
        DuePeriods(10, requests: 0);
        Assert.Equal(0, DuePeriods(10, QuietSpell.Many - 1));
    }

    [Fact]
    public void Many_requests_leave_as_much_as_the_start_however_slowly_they_come()
    {
        DuePeriods(10, requests: 0);
        Assert.Equal(0, DuePeriods(10, QuietSpell.Many / 2));
        Assert.Equal(QuietSpell.Times, DuePeriods(10, QuietSpell.Many));
        Assert.Equal(0, DuePeriods(10, QuietSpell.Many + 1));
    }

    [Fact]
    public void Connections_that_come_are_followed_by_requests()
    {
        for (var connections = 1; connections <= 20; connections++)
        {
            Assert.False(_spell.IsDue(0, inFlight: 0, connections));
        }

        Assert.True(_spell.IsDue(0, inFlight: 0, connections: 20));
    }

    [Fact]
    public void Server_that_stood_still_for_long_is_not_stopped_again_soon()
    {
        var tooLong = QuietSpell.LongestPause + TimeSpan.FromMilliseconds(1);
        Assert.Equal(1, DuePeriods(1 + QuietSpell.Rest, requests: 0, tooLong));
        Assert.Equal(1, DuePeriods(QuietSpell.Rest, requests: 0, tooLong));
        Assert.Equal(QuietSpell.Times - 2, DuePeriods(10 * QuietSpell.Rest, requests: 0, tooLong));
        Assert.Equal(1, DuePeriods(2, QuietSpell.Many, tooLong));
        Assert.Equal(QuietSpell.Times, DuePeriods(10, 2 * QuietSpell.Many, QuietSpell.LongestPause));
    }

    private int DuePeriods(int periods, long requests, TimeSpan pause = default)
    {
        var due = 0;
        for (; periods > 0; periods--)
        {
            if (_spell.IsDue(requests, inFlight: 0, connections: 1))
            {
                due++;
                _spell.Took(pause);
            }
        }

        return due;
    }
}
