using Policyd.Actors.Connections;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class ConnectionManagerSpecs
{
    [Fact]
    public async Task The_timer_runs_only_while_there_are_connections()
    {
        using var connections = new ConnectionManager(10);
        Assert.False(connections.IsTicking);
        for (var round = 0; round < 3; round++)
        {
            var first = connections.TryEnter()!;
            var second = connections.TryEnter()!;
            Assert.True(connections.IsTicking);
            connections.Leave(first);
            await DeadlineIsNoticed(second);
            Assert.True(connections.IsTicking);
            connections.Leave(second);
            await Eventually.Holds("the timer to stop", () => !connections.IsTicking);
        }
    }

    [Fact]
    public async Task A_connection_that_comes_when_the_last_one_has_just_gone_has_its_deadline_watched()
    {
        using var connections = new ConnectionManager(10);
        connections.Leave(connections.TryEnter()!);
        await DeadlineIsNoticed(connections.TryEnter()!);
    }

    [Fact]
    public void A_connection_that_comes_after_the_end_starts_no_timer()
    {
        var connections = new ConnectionManager(10);
        connections.Dispose();
        Assert.NotNull(connections.TryEnter());
        Assert.False(connections.IsTicking);
    }

    private static async Task DeadlineIsNoticed(ManagedConnection connection)
    {
        var noticed = 0;
        connection.Attach(signal => Interlocked.CompareExchange(ref noticed, 1 + (int)signal, 0));
        connection.Set(Environment.TickCount64);
        await Eventually.Holds("the deadline to be noticed", () => Volatile.Read(ref noticed) == 1 + (int)ConnectionSignal.DeadlinePassed);
    }
}
