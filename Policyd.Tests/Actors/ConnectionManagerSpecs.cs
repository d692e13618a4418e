using Policyd.Actors.Connections;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class ConnectionManagerSpecs
{
    private static readonly PolicyEndpoint s_listener = PolicyEndpoint.Tcp("127.0.0.1", 12345);

    [Fact]
    public async Task The_timer_runs_only_while_there_are_connections()
    {
        using var connections = new ConnectionManager(10);
        Assert.False(connections.IsTicking);
        for (var round = 0; round < 3; round++)
        {
            var first = connections.TryEnter(s_listener)!;
            var second = connections.TryEnter(s_listener)!;
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
        connections.Leave(connections.TryEnter(s_listener)!);
        await DeadlineIsNoticed(connections.TryEnter(s_listener)!);
    }

    [Fact]
    public void A_connection_that_comes_after_the_end_starts_no_timer()
    {
        var connections = new ConnectionManager(10);
        connections.Dispose();
        Assert.NotNull(connections.TryEnter(s_listener));
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
