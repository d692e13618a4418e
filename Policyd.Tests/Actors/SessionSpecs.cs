using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Sessions;
using Policyd.Engine.Chain;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class SessionSpecs
{
    [Fact]
    public async Task Requests_of_one_instance_never_run_at_the_same_time()
    {
        var (running, most) = (0, 0);
        await using var server = await ServerUnderTest.RunningAsync(async context =>
        {
            var now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await Task.Yield();
            var count = context.Session.TryGet<int>("count", out var value) ? value : 0;
            await Task.Delay(1, context.Cancellation);
            context.Session.Set("count", count + 1);
            Interlocked.Decrement(ref running);
            return PluginResult.Answer($"reject {count + 1}");
        });
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => server.AskAsync("same")));
        Assert.Equal(1, most);
        Assert.Equal(Enumerable.Range(1, 40).Select(i => $"reject {i}").Order(), answers.Order());
    }

    [Fact]
    public async Task Requests_of_other_instances_run_meanwhile()
    {
        using var together = new Barrier(3);
        await using var server = await ServerUnderTest.RunningAsync(async _ =>
        {
            // Passes only when all three are inside at once.
            await Task.Run(() => Assert.True(together.SignalAndWait(Eventually.Timeout), "the others never came"));
            return PluginResult.Answer("ok");
        });
        Assert.Equal(["ok", "ok", "ok"], await Task.WhenAll(Enumerable.Range(0, 3).Select(i => server.AskAsync($"{i}"))));
    }

    [Fact]
    public async Task A_session_is_seen_by_every_port_and_virtual_host()
    {
        using var folder = new TemporaryFolder();
        var socket = "unix:" + folder["p.sock"];
        await using var server = await ServerUnderTest.StartAsync($$"""
            policyd { listen = ["127.0.0.1:0", "{{socket}}"], virtual_hosts = [
              { name = one, port = "127.0.0.1:0", plugins = [ {{ServerUnderTest.Plugin(Remember)}} ] }
              { name = two, port = "{{socket}}", plugins = [ {{ServerUnderTest.Plugin(Tell)}} ] } ] }
            """);
        Assert.Equal("ok", await server.AskAsync("mail", "first@example.org"));
        Assert.Equal("reject first@example.org", await server.AskAsync("mail", endpoint: server.Handle.Endpoints[1]));
        Assert.Equal("reject nothing", await server.AskAsync("other", endpoint: server.Handle.Endpoints[1]));

        static ValueTask<PluginResult> Remember(PluginContext context)
        {
            context.Session["seen"] = context.Request.Recipient;
            return ServerUnderTest.Answer("ok");
        }

        static ValueTask<PluginResult> Tell(PluginContext context) =>
            ServerUnderTest.Answer("reject " + (context.Session["seen"] ?? "nothing"));
    }

    [Fact]
    public async Task An_empty_instance_shares_its_session_with_nobody()
    {
        await using var server = await ServerUnderTest.RunningAsync(static context =>
        {
            var seen = context.Session["seen"];
            context.Session["seen"] = "yes";
            return ServerUnderTest.Answer("reject " + (seen ?? "nothing"));
        });
        Assert.All(
            await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => server.AskAsync())),
            static answer => Assert.Equal("reject nothing", answer));
    }

    [Fact]
    public async Task A_plugin_that_throws_takes_down_neither_the_session_nor_the_connection_of_others()
    {
        await using var server = await ServerUnderTest.RunningAsync(
            static context => context.Request.Recipient == "bad"
                ? throw new InvalidOperationException("boom")
                : ServerUnderTest.Answer("ok"),
            pluginOptions: "on_error = \"defer broken\"");
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        Assert.Equal("defer broken", await client.AskAsync(ServerUnderTest.Request("1", "bad"), TestContext.Current.CancellationToken));
        Assert.Equal("ok", await client.AskAsync(ServerUnderTest.Request("1"), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("on_error = \"defer late\"", "action=defer late\n\n")]
    public async Task A_plugin_that_blocks_its_thread_is_answered_for_at_the_deadline(string onError, string answer)
    {
        using var release = new ManualResetEventSlim();
        await using var server = await ServerUnderTest.RunningAsync(
            context =>
            {
                if (context.Request.Recipient == "hang")
                {
                    release.Wait();
                }

                return ServerUnderTest.Answer("ok");
            },
            "request_timeout = 500ms, " + onError);
        using var socket = await server.ConnectAsync();
        await socket.SendAsync(ServerUnderTest.Request("stuck", "hang"));
        Assert.Equal(answer, await ServerUnderTest.ReadToEndAsync(socket));
        var line = Assert.Single(server.Log.Containing("error=\"no result"));
        Assert.StartsWith("test: instance=stuck recipient=hang " + (onError.Length > 0 ? "action=\"defer late\" " : "")
            + "error=\"no result within 0.5 s\" elapsed_ms=", line, StringComparison.Ordinal);
        Assert.Equal("ok", await server.AskAsync("other"));

        // The instance itself is served again while its actor still hangs, by another.
        await Eventually.Holds("the stuck instance to be served by another actor", async () =>
        {
            using var again = await server.ConnectAsync();
            await again.SendAsync(ServerUnderTest.Request("stuck"));
            return await ServerUnderTest.ReadToEndOrAnswerAsync(again) == "action=ok\n\n";
        });
        release.Set();
    }

    [Fact]
    public async Task Plugins_that_block_more_threads_than_there_are_hold_neither_other_connections_nor_their_own_deadlines()
    {
        using var release = new ManualResetEventSlim();
        var blocked = 0;
        await using var server = await ServerUnderTest.RunningAsync(
            context =>
            {
                if (context.Request.Recipient == "hang")
                {
                    Interlocked.Increment(ref blocked);
                    release.Wait();
                }

                return ServerUnderTest.Answer("ok");
            },
            "request_timeout = 8s, on_error = \"defer late\"");
        using var open = await server.ConnectAsync();
        await open.SendAsync(ServerUnderTest.Request("before"));
        Assert.Equal("action=ok\n\n", await ServerUnderTest.ReadAnswersAsync(open, 1));

        // One at a time: each takes a thread that those before it have left.
        var hanging = new List<Socket>();
        for (var i = 0; i < Environment.ProcessorCount + 2; i++)
        {
            hanging.Add(await server.ConnectAsync());
            await hanging[i].SendAsync(ServerUnderTest.Request($"stuck{i}", "hang"));
            await Eventually.Holds($"{i + 1} threads to be blocked", () => Volatile.Read(ref blocked) == i + 1);
        }

        // What needs no plugin is answered by the thread that runs none; what needs one, by a thread of the pool.
        using var malformed = await server.ConnectAsync();
        await malformed.SendAsync("nonsense\n\n"u8.ToArray());
        Assert.Equal("action=defer late\n\n", await ServerUnderTest.ReadToEndAsync(malformed));
        for (var i = 0; i < 20; i++)
        {
            await open.SendAsync(ServerUnderTest.Request($"after{i}"));
            Assert.Equal("action=ok\n\n", await ServerUnderTest.ReadAnswersAsync(open, 1));
            Assert.Equal("ok", await server.AskAsync($"new{i}"));
        }

        foreach (var socket in hanging)
        {
            Assert.Equal("action=defer late\n\n", await ServerUnderTest.ReadToEndAsync(socket));
            socket.Dispose();
        }

        release.Set();
    }

    [Fact]
    public async Task A_session_store_that_fails_costs_the_session_and_not_the_answer()
    {
        var log = new LogCapture();
        var runner = new RequestRunner(new BrokenStore(), log.CreateLogger("test"));
        var answers = new ConcurrentQueue<string?>();
        for (var i = 0; i < 100; i++)
        {
            var pending = Pending(answers);
            pending.Complete(await runner.RunAsync(pending, null));
        }

        Assert.Equal(Enumerable.Repeat("OK", 100), answers);
        Assert.Single(log.Lines, static line => line.Level == LogLevel.Warning);
    }

    [Fact]
    public async Task A_session_store_that_hangs_leaves_half_of_the_time_to_the_plugins()
    {
        var runner = new RequestRunner(new HangingStore(), NullLogger.Instance);
        var answers = new ConcurrentQueue<string?>();
        var pending = Pending(answers, 2000);
        pending.Complete(await Eventually.Ends("the request", runner.RunAsync(pending, null).AsTask()));
        Assert.Equal(["OK"], answers);
    }

    private static PendingRequest Pending(ConcurrentQueue<string?> answers, long milliseconds = 5000)
    {
        var environment = new ChainEnvironment(TimeProvider.System, NullLogger.Instance, ActionGrammar.Default);
        var script = new ScriptPlugin { Name = "s", Script = ScriptPlugin.Register(static _ => ServerUnderTest.Answer("OK")) };
        return new PendingRequest(
            PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest(),
            new VirtualHost("test", new PluginChain([script]), environment),
            Environment.TickCount64 + milliseconds,
            pending => answers.Enqueue(pending.Outcome.Action));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while (value > (seen = Volatile.Read(ref target)) && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }

    private sealed class BrokenStore : ISessionStore
    {
        public ValueTask<Session?> LoadAsync(string instance, CancellationToken ct) => throw new IOException("away");

        public ValueTask StoreAsync(string instance, Session session, CancellationToken ct) =>
            ValueTask.FromException(new IOException("away"));
    }

    private sealed class HangingStore : ISessionStore
    {
        private readonly TaskCompletionSource<Session?> _never = new();

        public ValueTask<Session?> LoadAsync(string instance, CancellationToken ct) => new(_never.Task);

        public ValueTask StoreAsync(string instance, Session session, CancellationToken ct) => new(_never.Task);
    }
}
