using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Plugins.Api;
using Policyd.Protocol;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Decisions;

/// <summary>What a chain records of a request for those who listen.</summary>
public sealed class StepsSpecs
{
    [Fact]
    public async Task Each_plugin_leaves_a_step_with_what_became_of_it()
    {
        var policy = new PolicyUnderTest(
            """
            { name = quiet, module = SetField, key = a, value = 1 }
            { name = outer, module = Stress, plugins = [ { name = note, module = Says, actions = "PREPEND X-A: 1" } ] }
            { name = broken, module = ChainFails, how = throw, on_error = continue }
            { name = late, module = SaysLate, actions = "info late" }
            { name = end, module = Action, action = "dunno" }
            { name = never, module = Action, action = "reject" }
            """,
            typeof(ChainSpecs.Says),
            typeof(ChainSpecs.SaysLate),
            typeof(ChainFails))
        {
            Depth = DecisionDepth.Steps
        };
        Assert.Equal("PREPEND X-A: 1", await policy.AskAsync(("stress", "yes")));
        Assert.Equal(
            [
                "0 quiet SetField Nothing", "0 outer Stress Added PREPEND X-A: 1", "1 note Says Added PREPEND X-A: 1",
                "0 broken ChainFails Failed", "0 late SaysLate Added info late", "0 end Action Answered dunno",
            ],
            policy.Steps.Select(static step => string.Join(' ', [
                $"{step.Depth} {step.Plugin} {step.Module} {step.Outcome}", .. step.Actions])));
        Assert.All(policy.Steps, static step => Assert.True(step.Started >= TimeSpan.Zero && step.Elapsed >= TimeSpan.Zero));
        Assert.True(policy.Steps[1].Elapsed >= policy.Steps[2].Elapsed);
        Assert.Equal("failed: InvalidOperationException: broken", policy.Steps[3].Failure);
        Assert.All(policy.Steps, static step => Assert.Empty(step.Facts));
    }

    [Theory]
    [InlineData("{ name = a, module = Says, actions = \"PREPEND X-A: 1\" }, { name = b, module = Action, action = dunno }", "a", "b")]
    [InlineData("{ name = a, module = Says, actions = info x }, { name = b, module = Action, action = reject no }", "b", "b")]
    [InlineData("{ name = a, module = Says, actions = defer x }, { name = b, module = Action, action = defer x }", "a", "b")]
    [InlineData("{ name = a, module = Stress, plugins = [ { name = in, module = Action, action = reject } ] }", "in", "a")]
    [InlineData("{ name = a, module = SetField, key = a, value = 1 }", null, null)]
    [InlineData("{ name = a, module = Action, action = dunno }, { name = b, module = Action, action = dunno }", "a", "a")]
    [InlineData("{ name = a, module = ChainFails, how = throw, on_error = defer x }", "a", "a")]
    [InlineData("{ name = a, module = ChainFails, how = throw }", "a", "a")]
    public async Task The_rule_is_the_plugin_whose_action_is_answered_and_not_the_last_with_a_result(
        string plugins, string? rule, string? last)
    {
        var policy = new PolicyUnderTest(plugins, typeof(ChainSpecs.Says), typeof(ChainFails)) { Depth = DecisionDepth.Steps };
        await policy.AskAsync(("stress", "yes"));
        var record = new RequestRecord
        {
            Request = PolicyRequestBuilder.AccessPolicy().ToRequest(),
            Action = policy.Last.Action,
            Plugin = policy.Last.Plugin,
            Trail = new DecisionTrail(DateTimeOffset.UnixEpoch, policy.Steps),
        };
        Assert.Equal(rule, record.Rule);
        Assert.Equal(last, policy.Last.Plugin);
    }

    [Theory]
    [InlineData("PLUGIN")]
    [InlineData("{ name = outer, module = Stress, timeout = 50ms, on_error = continue, plugins = [ PLUGIN ] }")]
    public async Task A_plugin_that_was_given_up_writes_nowhere(string around)
    {
        var late = new Late();
        Late.Current.Value = late;
        var policy = new PolicyUnderTest(
            new ManualClock(),   // it stands: the plugin begins, however busy the machine is, and a real timer gives it up
            around.Replace("PLUGIN", "{ name = late, module = WritesLate, timeout = 50ms, on_error = continue }", StringComparison.Ordinal)
                + ", { name = end, module = Action, action = dunno }",
            typeof(WritesLate))
        {
            Depth = DecisionDepth.Facts
        };
        await policy.AskAsync(("stress", "yes"));
        var before = Told(policy.Steps);
        late.Go.SetResult();
        await late.Done.Task.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
        Assert.Equal(before, Told(policy.Steps));
        var step = Assert.Single(policy.Steps, static step => step.Plugin == "late");
        Assert.Equal(StepOutcome.Failed, step.Outcome);
        Assert.Equal("early", Assert.Single(step.Facts).Name);
    }

    [Fact]
    public async Task A_second_run_begins_its_steps_anew()
    {
        var policy = new PolicyUnderTest(
            "{ name = a, module = RunsAgain }, { name = b, module = Action, action = reject }", typeof(RunsAgain))
        {
            Depth = DecisionDepth.Steps
        };
        Assert.Equal("reject", await policy.AskAsync());
        Assert.Equal(["a Nothing", "b Answered"], policy.Steps.Select(static step => $"{step.Plugin} {step.Outcome}"));
    }

    [Fact]
    public async Task Facts_are_bounded_in_number_and_length()
    {
        var policy = new PolicyUnderTest("{ module = Notes }", typeof(Notes)) { Depth = DecisionDepth.Facts };
        await policy.AskAsync();
        var facts = Assert.Single(policy.Steps).Facts;
        Assert.Equal(200, facts.Count);
        Assert.Equal(("n", "0", "1.5", "less"), (facts[0].Name, facts[0].Value, facts[0].ComparedWith, facts[0].Result));
        Assert.All(facts, static fact => Assert.InRange(fact.Name == "long" ? fact.Value!.Length : 0, 0, 1001));
    }

    [Fact]
    public void Requests_are_recorded_as_deep_as_somebody_listens()
    {
        var listeners = new DecisionListeners();
        Assert.Null(listeners.NewRecorder());
        Assert.False(listeners.Any);
        var plain = listeners.Listen(new Listener(DecisionDepth.None));
        Assert.True(listeners.Any);
        Assert.Null(listeners.NewRecorder());
        var facts = listeners.Listen(new Listener(DecisionDepth.Facts));
        var steps = listeners.Listen(new Listener(DecisionDepth.Steps));
        Assert.Equal(DecisionDepth.Facts, listeners.NewRecorder()?.Depth);
        facts.Dispose();
        Assert.Equal(DecisionDepth.Steps, listeners.NewRecorder()?.Depth);
        facts.Dispose();
        steps.Dispose();
        plain.Dispose();
        Assert.False(listeners.Any);
    }

    private static List<string> Told(IEnumerable<DecisionStep> steps) =>
        [.. steps.Select(static step => $"{step.Plugin} {step.Outcome} {step.Elapsed} {step.Failure} {string.Join(',', step.Facts)}")];

    private sealed class Listener(DecisionDepth depth) : IDecisionListener
    {
        public DecisionDepth Depth { get; } = depth;

        public void Decided(RequestRecord record)
        {
        }
    }

    [Module("ChainFails")]
    public sealed class ChainFails : Plugin
    {
        public string How { get; set; } = "";

        public override ValueTask<PluginResult> RunAsync(PluginContext context) => throw new InvalidOperationException("broken");
    }

    public sealed class Late
    {
        public static AsyncLocal<Late?> Current { get; } = new();

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public sealed class WritesLate : Plugin
    {
        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var late = Late.Current.Value!;
            context.Note("early", 1);
            await late.Go.Task;
            context.Note("late", 1);
            context.AddScore("late", 1);
            late.Done.SetResult();
            return PluginResult.Answer("reject");
        }
    }

    public sealed class RunsAgain : Plugin
    {
        public override ValueTask<PluginResult> RunAsync(PluginContext context) =>
            new(context.TryRunAgain() ? PluginResult.Abort() : PluginResult.Continue);
    }

    public sealed class Notes : Plugin
    {
        public override ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            context.Note("n", 0, 1.5, "less");
            for (var index = 0; index < 300; index++)
            {
                context.Note("long", new string('x', 5000));
            }

            return new(PluginResult.Continue);
        }
    }
}
