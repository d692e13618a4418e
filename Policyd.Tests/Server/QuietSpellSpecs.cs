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
            Assert.False(_spell.IsDue(requests, inFlight: 0));
        }

        Assert.False(_spell.IsDue(19, inFlight: 1));
        Assert.True(_spell.IsDue(19, inFlight: 0));
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

    private int DuePeriods(int periods, long requests) => Enumerable.Range(0, periods).Count(_ => _spell.IsDue(requests, inFlight: 0));
}
