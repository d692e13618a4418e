using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Sessions;
using Policyd.Plugins.Chain;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class RequestPathAllocationSpecs
{
#if DEBUG
    private const long Slack = 500;   // the compiler makes the state machines of async methods classes here
#else
    private const long Slack = 8;
#endif

    [Fact]
    public async Task Running_a_request_allocates_nothing_beside_the_chain_when_everything_is_synchronous()
    {
        const int Rounds = 10_000;
        var runner = new RequestRunner(new NoSessionStore(), NullLogger.Instance);
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
        var host = new VirtualHost("test", new PluginChain([]), new ChainEnvironment(TimeProvider.System, NullLogger.Instance, ActionGrammar.Default));
        var pending = new PendingRequest[Rounds];
        for (var i = 0; i < Rounds; i++)
        {
            pending[i] = new PendingRequest(request, host, Environment.TickCount64 + 3_600_000, static _ => { });
        }

        var session = new Session();
        await runner.RunAsync(pending[0], session);
        await host.RunAsync(request, session, TimeSpan.FromSeconds(1));
        var chain = Allocated(
            () =>
            {
                var run = host.RunAsync(request, session, TimeSpan.FromSeconds(1));
                Assert.True(run.IsCompletedSuccessfully);
            },
            Rounds);
        var next = 0;
        var whole = Allocated(
            () =>
            {
                var run = runner.RunAsync(pending[next++], session);
                Assert.True(run.IsCompletedSuccessfully);
            },
            Rounds);
        Assert.True(whole <= chain + Slack, $"{whole} bytes a request, of which the chain's are {chain}");
    }

    [Fact]
    public async Task The_request_line_is_logged_once_with_the_virtual_host_and_control_characters_escaped()
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        using var socket = await server.ConnectAsync();
        await socket.SendAsync("request=smtpd_access_policy\ninstance=a\u001bb\n\n"u8.ToArray());
        await ServerUnderTest.ReadAnswersAsync(socket, 1);
        await Eventually.Holds("the line of the request", () => server.Log.Containing("instance=").Any());
        var line = Assert.Single(server.Log.Containing("instance="));
        Assert.StartsWith("test: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, static c => char.IsControl(c));
        Assert.Contains(server.Log.Lines, entry => entry.Message == line && entry.Level == LogLevel.Debug);
    }

    private static long Allocated(Action action, int rounds)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < rounds; i++)
        {
            action();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / rounds;
    }
}
