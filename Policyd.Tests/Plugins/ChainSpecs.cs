using Policyd.Plugins.Api;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class ChainSpecs
{
    private const string Header = "{ name = tag, module = AddScoreHeader }";

    [Fact]
    public async Task Chain_without_a_result_says_dunno() =>
        Assert.Equal("dunno", await new PolicyUnderTest("{ module = SetField, key = a, value = 1 }").AskAsync());

    [Fact]
    public async Task First_abort_ends_the_chain()
    {
        var policy = new PolicyUnderTest("{ module = Action, action = reject no }, { module = SetField, key = a, value = 1 }");
        Assert.Equal("reject no", await policy.AskAsync());
        Assert.Equal("Action", policy.Last.Plugin);
        Assert.Null(policy.Session["a"]);
    }

    [Theory]
    [InlineData("Says", "PREPEND X-A: 1;defer later", "defer later")]
    [InlineData("SaysLate", "PREPEND X-A: 1;defer later", "defer later")]
    public async Task Several_actions_become_the_most_restrictive_one(string module, string actions, string expected) =>
        Assert.Equal(expected, await new PolicyUnderTest(
            $"{{ module = {module}, actions = \"{actions}\" }}, {{ module = {module}, name = b, actions = info x }}",
            typeof(Says),
            typeof(SaysLate)).AskAsync());

    [Theory]
    [InlineData("throw")]
    [InlineData("throw-late")]
    [InlineData("cancel")]
    [InlineData("cancel-late")]
    [InlineData("hang")]
    [InlineData("garbage")]
    [InlineData("newline")]
    public async Task Failing_plugin_fails_the_request_unless_told_otherwise(string how)
    {
        // Only the one that hangs is to be timed out, however long the machine stands still.
        var fails = $"module = Fails, how = {how}, timeout = {(how == "hang" ? "50ms" : "60s")}";
        var plain = new PolicyUnderTest($"{{ {fails} }}", typeof(Fails)) { Timeout = TimeSpan.FromMinutes(2) };
        Assert.Null(await plain.AskAsync());
        Assert.Equal("Fails", plain.Last.Plugin);
        Assert.Matches(
            how == "hang"
                ? @"^plugin Fails timed out after \d+(\.\d+)? s$"
                : "^plugin Fails (failed: (InvalidOperation|TaskCanceled)Exception: broken|answers .*)$",
            plain.Last.Failure!.ReplaceLineEndings(" "));
        var goesOn = new PolicyUnderTest($"{{ {fails}, on_error = continue }}, {Header}", typeof(Fails))
        {
            Timeout = TimeSpan.FromMinutes(2)
        };
        Assert.Equal("PREPEND X-MtScore: NO score=0", await goesOn.AskAsync());
        Assert.StartsWith("plugin Fails ", goesOn.Last.Failure, StringComparison.Ordinal);
        Assert.Single(goesOn.Log.Containing("on_error"));
        var answers = new PolicyUnderTest($"{{ {fails}, on_error = defer_if_permit sorry }}, {Header}", typeof(Fails))
        {
            Timeout = TimeSpan.FromMinutes(2)
        };
        Assert.Equal("defer_if_permit sorry", await answers.AskAsync());
    }

    // A short time has a timer of its own, a long one shares the timer of its neighbours.
    [Theory]
    [InlineData(300)]
    [InlineData(1500)]
    public async Task Hanging_plugin_without_a_timeout_leaves_time_for_its_on_error(int milliseconds)
    {
        var policy = new PolicyUnderTest("{ module = Fails, how = hang, on_error = defer slow }", typeof(Fails))
        {
            Timeout = TimeSpan.FromMilliseconds(milliseconds)
        };
        var started = TimeProvider.System.GetTimestamp();
        Assert.Equal("defer slow", await policy.AskAsync());
        Assert.True(TimeProvider.System.GetElapsedTime(started).TotalMilliseconds >= milliseconds * 2 / 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{ module = Stress, name = outer, on_error = continue, plugins = [ PLUGIN ] }")]
    public async Task Abandoned_plugin_cannot_touch_the_live_session(string around)
    {
        const string Hung = "{ module = Hangs, timeout = 50ms, on_error = continue }";
        Hangs.Reset();
        var policy = new PolicyUnderTest("{ module = SetField, key = before, value = 1 }, " + (around.Length == 0
            ? Hung
            : around.Replace("PLUGIN", Hung, StringComparison.Ordinal)), typeof(Hangs));
        Assert.Equal("dunno", await policy.AskAsync(("stress", "yes")));
        Hangs.Release();
        await Hangs.Done.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
        Assert.Equal("1", policy.Session["before"]);
        Assert.Null(policy.Session["late"]);
        Assert.Null(policy.Session["captured"]);
        Assert.True(Hangs.WasCancelled);
    }

    [Fact]
    public async Task Failure_in_a_nested_chain_is_its_parents_failure()
    {
        var policy = new PolicyUnderTest(
            $"{{ module = Stress, on_error = continue, plugins = [ {{ module = Fails, how = throw }} ] }}, {Header}", typeof(Fails));
        Assert.Equal("PREPEND X-MtScore: NO score=0", await policy.AskAsync(("stress", "yes")));
    }

    [Fact]
    public async Task Chain_that_never_awaits_stays_under_a_kilobyte()
    {
        var policy = new PolicyUnderTest(Header);
        var request = Policyd.Protocol.PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
        long worst = 0;
        for (var round = 0; round < 200; round++)
        {
            var session = new Policyd.Plugins.Sessions.Session();
            var before = GC.GetAllocatedBytesForCurrentThread();
            var running = policy.Model.VirtualHosts[0].RunAsync(request, session, policy.Timeout);
            Assert.True(running.IsCompletedSuccessfully);
            worst = GC.GetAllocatedBytesForCurrentThread() - before;
            await running;
        }

        Assert.InRange(worst, 1, 1024);
    }

    [Module("Says")]
    public class Says : Plugin
    {
        public string Actions { get; set; } = "";

        public override ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            context.Session["said"] = Actions;
            return new(PluginResult.Add(Actions.Split(';')[^1]));
        }
    }

    [Module("SaysLate")]
    public sealed class SaysLate : Says
    {
        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            await Task.Yield();
            return await base.RunAsync(context);
        }
    }

    public sealed class Fails : Plugin
    {
        public string How { get; set; } = "";

        public override ValueTask<PluginResult> RunAsync(PluginContext context) => How switch
        {
            "throw" => throw new InvalidOperationException("broken"),
            "throw-late" => ThrowLate(new InvalidOperationException("broken")),
            "cancel" => throw new TaskCanceledException("broken"),
            "cancel-late" => ThrowLate(new TaskCanceledException("broken")),
            "hang" => new(new TaskCompletionSource<PluginResult>().Task),
            "newline" => new(PluginResult.Answer("dunno\naction=reject")),
            _ => new(PluginResult.Answer("greylisting")),
        };

        private static async ValueTask<PluginResult> ThrowLate(Exception exception)
        {
            await Task.Yield();
            throw exception;
        }
    }

    public sealed class Hangs : Plugin
    {
        private static TaskCompletionSource s_go = new();
        private static TaskCompletionSource s_done = new();

        public static Task Done => s_done.Task;

        public static bool WasCancelled { get; private set; }

        public static void Reset() => (s_go, s_done) = (new(TaskCreationOptions.RunContinuationsAsynchronously), new());

        public static void Release() => s_go.SetResult();

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var captured = context.Session;
            var cancellation = context.Cancellation;
            await s_go.Task;
            WasCancelled = cancellation.IsCancellationRequested;
            context.Session["late"] = "1";
            context.AddScore("late", 3);
            captured["captured"] = "1";
            s_done.SetResult();
            return PluginResult.Continue;
        }
    }
}
