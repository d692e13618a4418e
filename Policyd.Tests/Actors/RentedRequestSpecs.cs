using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Api;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

/// <summary>
/// A request's bytes are rented and given back once it is answered; whoever may still read them must not see those of another.
/// </summary>
public sealed class RentedRequestSpecs
{
    [Fact]
    public async Task A_plugin_that_was_given_up_still_reads_its_own_request()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var read = new ConcurrentDictionary<string, string>();
        await using var server = await StartAsync(
            async context =>
            {
                if (context.Request.Recipient.StartsWith("late", StringComparison.Ordinal))
                {
                    var (request, instance) = (context.Request, context.Request.Instance);
                    await gate.Task;
                    read[instance] = Encoding.ASCII.GetString(request.Bytes.Span) + request.Sender + request["x_other"];
                }

                return PluginResult.Answer("dunno");
            },
            """timeout = 50ms, on_error = "450 late" """);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("450 late", await AskAsync(server, Request($"late{i}", "late@example.org")));
        }

        var others = Enumerable.Range(0, 8).Select(async number =>
        {
            await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
            for (var i = 0; i < 50; i++)
            {
                var request = Request($"{number}{i}", "soon@example.org");
                Assert.Equal("dunno", await client.AskAsync(request, TestContext.Current.CancellationToken));
            }
        });
        await Task.WhenAll(others);
        gate.SetResult();
        await Eventually.Holds("the plugins that were given up to end", () => read.Count == 20);
        foreach (var (instance, text) in read)
        {
            var own = Encoding.ASCII.GetString(Request(instance, "late@example.org"));
            Assert.Equal(own[..^1] + Sender(instance) + Other(instance), text);
        }
    }

    [Fact]
    public async Task A_request_that_a_plugin_keeps_against_its_promise_has_no_bytes_once_it_is_answered()
    {
        PolicyRequest? kept = null;
        await using var server = await StartAsync(context =>
        {
            kept = context.Request;
            return ServerUnderTest.Answer("dunno");
        });
        Assert.Equal("dunno", await AskAsync(server, Request("1", "soon@example.org")));
        Assert.Throws<ObjectDisposedException>(() => kept!.Bytes);
        Assert.Throws<ObjectDisposedException>(() => kept!.Sender);
        Assert.Throws<ObjectDisposedException>(() => kept!["x_other"]);
        Assert.Equal("1", kept!.Instance);   // text that was made before stays
    }

    [Fact]
    public async Task A_request_that_the_log_shows_keeps_its_bytes()
    {
        PolicyRequest? kept = null;
        await using var server = await StartAsync(
            context =>
            {
                kept = context.Request;
                return ServerUnderTest.Answer("dunno");
            },
            logs: LogLevel.Information);
        Assert.Equal("dunno", await AskAsync(server, Request("1", "soon@example.org")));
        for (var i = 2; i < 50; i++)
        {
            var before = kept!;
            Assert.Equal("dunno", await AskAsync(server, Request($"{i}", "soon@example.org")));
            Assert.Equal(Sender($"{i - 1}"), before.Sender);
        }
    }

    private static Task<ServerUnderTest> StartAsync(
        Func<PluginContext, ValueTask<PluginResult>> script, string options = "", LogLevel logs = LogLevel.Critical) =>
        ServerUnderTest.StartAsync(
            $$"""
            policyd { listen = ["127.0.0.1:0"],
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ {{ServerUnderTest.Plugin(script, options)}} ] } ] }
            """,
            logs: logs);

    private static async Task<string> AskAsync(ServerUnderTest server, byte[] request)
    {
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        return await Eventually.Ends("an answer", client.AskAsync(request, TestContext.Current.CancellationToken).AsTask());
    }

    // All of one length, so that each fits where another one was.
    private static byte[] Request(string instance, string recipient) =>
        PolicyRequestBuilder.AccessPolicy().Add("instance", instance).Add("recipient", recipient)
            .Add("sender", Sender(instance)).Add("x_other", Other(instance)).ToBytes();

    private static string Sender(string instance) => instance.PadLeft(12, '0') + "@example.org";

    private static string Other(string instance) => "x" + instance;
}
