using Policyd.Plugins.Api;
using Policyd.Plugins.Services;
using Policyd.Plugins.Threads;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>
/// Code of a third party that blocks its thread: who waits for it, who does not, and who tells. Alone, since it blocks threads of the pool
/// that other tests need for their time-outs.
/// </summary>
[Collection(Alone.Name)]
public sealed class BlockingPluginSpecs
{
    private const int Blocked = 50;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Other_virtual_hosts_are_answered_while_50_requests_are_blocked_in_a_plugin(bool atOnce)
    {
        using var gate = new ManualResetEventSlim();
        var (inside, onOwnThreads) = (0, 0);
        await using var server = await StartAsync(async _ =>
        {
            if (Thread.CurrentThread.Name?.StartsWith("plugin ", StringComparison.Ordinal) == true)
            {
                Interlocked.Increment(ref onOwnThreads);
            }

            if (!atOnce)
            {
                await Task.Yield();
            }

            Interlocked.Increment(ref inside);
            gate.Wait(CancellationToken.None);
            return PluginResult.Answer("reject blocked");
        });
        try
        {
            var blocked = Enumerable.Range(0, Blocked).Select(mail => server.AskAsync($"a.{mail}")).ToList();
            await Eventually.Holds($"{Blocked} requests inside the plugin", () => Volatile.Read(ref inside) == Blocked);
            for (var mail = 0; mail < 50; mail++)
            {
                Assert.Equal("reject free", await server.AskAsync($"b.{mail}", endpoint: server.Handle.Endpoints[1]));
            }

            Assert.True(!atOnce || onOwnThreads >= Blocked - Math.Max(1, Environment.ProcessorCount - 1), $"{onOwnThreads} on own threads");
            await Eventually.Holds(
                "the plugin's name in the log while it holds threads",
                () => server.Log.Containing("held: plugin=script: holds ").Any());
            Assert.DoesNotContain(blocked, task => task.IsCompleted);
            gate.Set();
            Assert.All(await Task.WhenAll(blocked), answer => Assert.Equal("reject blocked", answer));
        }
        finally
        {
            gate.Set();
        }
    }

    [Fact]
    public async Task A_plugin_that_blocks_is_given_up_at_its_timeout_and_on_error_decides()
    {
        using var gate = new ManualResetEventSlim();
        await using var server = await StartAsync(
            _ =>
            {
                gate.Wait(CancellationToken.None);
                return ServerUnderTest.Answer("reject blocked");
            },
            "timeout = 300ms, on_error = \"reject late\"");
        try
        {
            // The first one may hold its own thread; from then on the plugin has threads of its own.
            var first = server.AskAsync("a.0");
            await Eventually.Holds("the warning", () => server.Log.Containing("held: plugin=script: holds 1 threads").Any());
            Assert.Equal("reject late", await server.AskAsync("a.1"));
            Assert.Equal("reject late", await server.AskAsync("a.2"));
            gate.Set();
            await first.ContinueWith(static _ => { }, TaskScheduler.Default);
        }
        finally
        {
            gate.Set();
        }
    }

    [Fact]
    public async Task Blocking_code_runs_on_a_thread_of_its_own_and_is_given_up_at_the_plugins_timeout()
    {
        using var gate = new ManualResetEventSlim();
        var isPooled = true;
        CallsPlugin.Work = recipient =>
        {
            isPooled = Thread.CurrentThread.IsThreadPoolThread;
            if (recipient.StartsWith("slow", StringComparison.Ordinal))
            {
                gate.Wait(CancellationToken.None);
            }

            return "done";
        };
        try
        {
            await using (var server = await StartAsync("{ name = c, module = Calls }"))
            {
                Assert.Equal("reject done", await server.AskAsync("a.1", "quick@example.org"));
                Assert.False(isPooled);
            }

            await using (var server = await StartAsync("{ name = c, module = Calls, timeout = 300ms, on_error = \"reject late\" }"))
            {
                Assert.Equal("reject late", await server.AskAsync("a.2", "slow@example.org"));
            }
        }
        finally
        {
            gate.Set();
        }
    }

    [Fact]
    public async Task Plugin_that_asks_for_a_thread_is_not_told_of_for_holding_it()
    {
        using var gate = new ManualResetEventSlim();
        CallsPlugin.Asked = null;
        CallsPlugin.Work = _ =>
        {
            gate.Wait(CancellationToken.None);
            return "done";
        };
        try
        {
            await using var server = await StartAsync("{ name = c, module = Calls }");
            var answer = server.AskAsync("a.1");
            await Eventually.Holds("the plugin to be asked", () => CallsPlugin.Asked is not null);
            var plugin = CallsPlugin.Asked!;
            await Eventually.Holds(
                "the thread to be held for longer than one that was not asked for may be",
                () => plugin.Threads.State.Longest > TimeSpan.FromSeconds(1.3));
            Assert.False(plugin.Guard!.Blocks);
            Assert.Empty(server.Log.Containing("without await"));
            Assert.Equal(1, plugin.Threads.Asked.State.Count);
            gate.Set();
            Assert.Equal("reject done", await answer);
        }
        finally
        {
            gate.Set();
        }
    }

    [Fact]
    public async Task Threads_are_bounded_and_what_waits_is_too()
    {
        using var gate = new ManualResetEventSlim();
        var threads = new OwnThreads("test");
        var (begun, done) = (0, 0);
        void Work()
        {
            Interlocked.Increment(ref begun);
            gate.Wait(CancellationToken.None);
            Interlocked.Increment(ref done);
        }

        try
        {
            for (var run = 0; run < OwnThreads.Most + OwnThreads.MostWaiting; run++)
            {
                await Eventually.Holds("room for a run", () => threads.TryRun(Work));
            }

            await Eventually.Holds("all threads at work", () => Volatile.Read(ref begun) == OwnThreads.Most);
            Assert.False(threads.TryRun(Work));
            Assert.Equal(OwnThreads.Most, threads.State.Count);
        }
        finally
        {
            gate.Set();
        }

        await Eventually.Holds("all runs", () => Volatile.Read(ref done) == OwnThreads.Most + OwnThreads.MostWaiting);
        await Eventually.Holds("idle threads", () => threads.State.Count == 0);
    }

    private static Task<ServerUnderTest> StartAsync(Func<PluginContext, ValueTask<PluginResult>> script, string options = "") =>
        StartAsync(ServerUnderTest.Plugin(script, options));

    private static Task<ServerUnderTest> StartAsync(string plugin) => ServerUnderTest.StartAsync(
        $$"""
        policyd { listen = ["127.0.0.1:0", "127.0.0.2:0"], request_timeout = 300s
          virtual_hosts = [
            { name = held, port = "127.0.0.1:0", plugins = [ {{plugin}} ] }
            { name = free, port = "127.0.0.2:0", plugins = [ { name = a, module = Action, action = "reject free" } ] }
          ] }
        """,
        guards: true,
        modules: [typeof(CallsPlugin)]);

    /// <summary>Calls the test's code, which blocks.</summary>
    public sealed class CallsPlugin : Plugin
    {
        public static Func<string, string> Work { get; set; } = static _ => "";

        public static CallsPlugin? Asked { get; set; }

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            Asked = this;
            var recipient = context.Request.Recipient;
            return PluginResult.Answer("reject " + await context.RunBlockingAsync(this, () => Work(recipient)));
        }
    }
}
