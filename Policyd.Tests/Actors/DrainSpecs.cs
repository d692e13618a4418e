using Policyd.Plugins.Api;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class DrainSpecs
{
    [Fact]
    public async Task Drain_answers_what_is_in_flight_and_closes_the_rest()
    {
        var release = new TaskCompletionSource();
        await using var server = await ServerUnderTest.RunningAsync(async _ =>
        {
            await release.Task;
            return PluginResult.Answer("ok");
        });
        using var busy = await server.ConnectAsync();
        using var idle = await server.ConnectAsync();
        await busy.SendAsync(ServerUnderTest.Request("1"));
        await Eventually.Holds("the request to be in flight", () => server.Handle.RequestsInFlight == 1 && server.Handle.Connections == 2);

        var drained = server.Handle.DrainAsync(TimeSpan.FromSeconds(20));
        Assert.Equal("", await ServerUnderTest.ReadToEndAsync(idle));
        Assert.False(FreePort.Answers(server.Endpoint.Port), "it still accepts");
        Assert.False(drained.IsCompleted, "the drain did not wait for the request in flight");

        release.SetResult();
        Assert.Equal("action=ok\n\n", await ServerUnderTest.ReadToEndAsync(busy));
        await drained.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
        Assert.Equal(0, server.Handle.Connections);
    }

    [Fact]
    public async Task Drain_cuts_off_what_is_busy_at_the_end_of_the_grace_time()
    {
        var never = new TaskCompletionSource();
        await using var server = await ServerUnderTest.RunningAsync(async _ =>
        {
            await never.Task;
            return PluginResult.Answer("ok");
        });
        using var busy = await server.ConnectAsync();
        await busy.SendAsync(ServerUnderTest.Request("1"));
        await Eventually.Holds("the request to be in flight", () => server.Handle.RequestsInFlight == 1);
        await server.Handle.DrainAsync(TimeSpan.FromMilliseconds(200)).WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
        Assert.Equal("", await ServerUnderTest.ReadToEndAsync(busy));
        Assert.Single(server.Log.Containing("are closed"));
        never.SetResult();
    }

    [Fact]
    public async Task Stopping_the_host_drains()
    {
        var release = new TaskCompletionSource();
        await using var server = await ServerUnderTest.RunningAsync(async _ =>
        {
            await release.Task;
            return PluginResult.Answer("ok");
        });
        using var busy = await server.ConnectAsync();
        await busy.SendAsync(ServerUnderTest.Request("1"));
        await Eventually.Holds("the request to be in flight", () => server.Handle.RequestsInFlight == 1);
        var stopped = server.StopAsync();
        await Eventually.Holds("the drain to begin", () => server.Handle.IsDraining);
        release.SetResult();
        Assert.Equal("action=ok\n\n", await ServerUnderTest.ReadToEndAsync(busy));
        await stopped.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
    }
}
