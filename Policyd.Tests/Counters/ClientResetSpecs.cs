using System.Net.Sockets;
using Policyd.Plugins.Api;
using Policyd.Protocol;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>A client whose connection breaks instead of ending gives its place in a quota back as well.</summary>
public sealed class ClientResetSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Client_that_breaks_off_between_two_requests_gives_its_place_back()
    {
        await using var server = await StartAsync(static _ => new ValueTask<PluginResult>(PluginResult.Continue));
        using (var client = await server.ConnectAsync())
        {
            await client.SendAsync(Request("1"), TestContext.Current.CancellationToken);
            Assert.Equal("action=dunno\n\n", await ServerUnderTest.ReadAnswersAsync(client, 1));
            Assert.StartsWith("defer", await AskAsync(server, "2"), StringComparison.Ordinal);
            client.LingerState = new LingerOption(true, 0);
        }

        await PlaceIsFree(server);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Client_that_breaks_off_while_it_is_asking_gives_its_place_back(bool sendsMore)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(async context =>
        {
            if (context.Request.Instance == "1")
            {
                reached.TrySetResult();
                await goOn.Task;
            }

            return PluginResult.Continue;
        });
        using (var client = await server.ConnectAsync())
        {
            await client.SendAsync(Request("1"), TestContext.Current.CancellationToken);
            await Eventually.Ends("the mail to have its place", reached.Task.ContinueWith(_ => true, TaskScheduler.Default));
            if (sendsMore)
            {
                await client.SendAsync(Request("3"), TestContext.Current.CancellationToken);
            }

            client.LingerState = new LingerOption(true, 0);
        }

        Assert.StartsWith("defer", await AskAsync(server, "2"), StringComparison.Ordinal);
        goOn.SetResult();
        await PlaceIsFree(server);
    }

    private static byte[] Request(string instance) =>
        PolicyRequestBuilder.AccessPolicy()
            .Add("protocol_state", "RCPT")
            .Add("instance", instance)
            .Add("sender", "a@example.com")
            .ToBytes();

    private static async Task<string> AskAsync(ServerUnderTest server, string instance)
    {
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        return await client.AskAsync(Request(instance), TestContext.Current.CancellationToken);
    }

    private static Task PlaceIsFree(ServerUnderTest server) =>
        Eventually.Holds(
            "the place of the client that broke off", async () => await AskAsync(server, Guid.NewGuid().ToString("N")) == "dunno");

    // The Accounting that makes the Quota reserve is another virtual host's: here nothing is ever counted.
    private Task<ServerUnderTest> StartAsync(Func<PluginContext, ValueTask<PluginResult>> after) => ServerUnderTest.StartAsync($$"""
        policyd { listen = ["127.0.0.1:0"]
          connections { db { module = Sql, dsn = "Data Source={{_folder["counters.db"]}}", provider = SQLite } }
          virtual_hosts = [
            { name = check, port = "127.0.0.1:0", plugins = [ { name = q, module = Quota, field = sender, metric = count, threshold = 1 }, {{ServerUnderTest.Plugin(after)}} ] }
            { name = count, port = 1, plugins = [ { name = a, module = Accounting, fields = sender } ] } ] }
        """);
}
