using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

public sealed class KeptConnectionsSpecs
{
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task One_that_was_idle_for_more_than_a_minute_is_closed_and_not_used()
    {
        await using var kept = new KeptConnections<Connection>(_clock, 2);
        var (old, fresh) = (new Connection(), new Connection());
        await kept.KeepAsync(old);
        _clock.Advance(TimeSpan.FromSeconds(61));
        await kept.KeepAsync(fresh);
        Assert.Same(fresh, await kept.TakeAsync());
        Assert.Null(await kept.TakeAsync());
        Assert.Equal((true, false), (old.IsClosed, fresh.IsClosed));
    }

    [Fact]
    public async Task What_is_beyond_the_most_and_what_comes_after_the_end_is_closed()
    {
        var kept = new KeptConnections<Connection>(_clock, 1);
        var (first, second, late) = (new Connection(), new Connection(), new Connection());
        await kept.KeepAsync(first);
        await kept.KeepAsync(second);
        Assert.Equal((false, true), (first.IsClosed, second.IsClosed));
        await kept.DisposeAsync();
        await kept.KeepAsync(late);
        Assert.Equal((true, true), (first.IsClosed, late.IsClosed));
    }

    private sealed class Connection : IAsyncDisposable
    {
        public bool IsClosed { get; private set; }

        public ValueTask DisposeAsync()
        {
            IsClosed = true;
            return ValueTask.CompletedTask;
        }
    }
}
