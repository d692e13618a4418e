using Policyd.Engine.Decisions;
using Policyd.Engine.Loading;
using Policyd.Plugins.Api;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Decisions;

/// <summary>What is observed, or rehearsed, answers nothing and does nothing.</summary>
public sealed class ObserveSpecs
{
    public static TheoryData<string> Modules => [.. ModuleRegistry.BuiltIn.Modules.Select(Plugin.ModuleNameOf)];

    [Theory]
    [MemberData(nameof(Modules))]
    public void Every_built_in_module_declares_its_side_effects(string module) =>
        Assert.True(ModuleRegistry.BuiltIn.Find(module)!.IsDefined(typeof(SideEffectsAttribute), false), module);

    [Fact]
    public async Task An_observed_plugin_answers_nothing_and_the_chain_goes_on()
    {
        var policy = new PolicyUnderTest(
            """
            { name = strict, module = Action, action = "reject no", observe = on }
            { name = note, module = Declares, observe = on }
            { name = last, module = Action, action = "PREPEND X-A: 1" }
            """,
            typeof(Declares))
        {
            Depth = DecisionDepth.Facts
        };
        Assert.Equal("PREPEND X-A: 1", await policy.AskAsync());
        Assert.Equal("strict: reject no, note: dunno", policy.Last.Observed);
        Assert.Equal("last", policy.Last.Plugin);
        Assert.Equal(
            ["strict Observed", "note Observed", "last Answered"], policy.Steps.Select(static step => $"{step.Plugin} {step.Outcome}"));
        Assert.Equal(("would have", "acted"), (policy.Steps[1].Facts[^1].Name, policy.Steps[1].Facts[^1].Value));
        Assert.Null(policy.Session["declares"]);
        Assert.Null(policy.Last.Scores);
    }

    [Fact]
    public async Task What_is_nested_in_an_observed_plugin_is_observed_with_it()
    {
        var policy = new PolicyUnderTest(
            """
            { name = outer, module = Stress, observe = on, plugins = [
              { name = in, module = Declares }, { name = mine, module = SetField, key = a, value = 1 }
              { name = no, module = Condition, key = "session:a", match = 1, action = "reject seen" } ] }
            { name = end, module = Condition, key = "session:a", match = 1, action = "reject wrong" }
            """,
            typeof(Declares))
        {
            Depth = DecisionDepth.Steps
        };
        Assert.Equal("dunno", await policy.AskAsync(("stress", "yes")));
        Assert.StartsWith("outer: ", policy.Last.Observed, StringComparison.Ordinal);
        Assert.Equal(["outer Observed", "in Answered", "end Nothing"], policy.Steps.Select(static step => $"{step.Plugin} {step.Outcome}"));
    }

    [Theory]
    [InlineData("throw", "fail")]
    [InlineData("hang", "continue")]
    [InlineData("hang", "fail")]
    public async Task A_failure_of_an_observed_plugin_is_not_the_requests(string how, string onError)
    {
        var policy = new PolicyUnderTest(
            new ManualClock(),   // it stands: the plugin begins, however busy the machine is, and a real timer gives it up
            $"{{ name = bad, module = BadDeclared, how = {how}, observe = on, timeout = 50ms, on_error = {onError} }}, "
                + "{ name = end, module = Action, action = \"reject x\" }",
            typeof(BadDeclared))
        {
            Depth = DecisionDepth.Steps
        };
        Assert.Equal("reject x", await policy.AskAsync());
        Assert.Null(policy.Last.Failure);
        Assert.Null(policy.Last.Observed);
        Assert.Equal(StepOutcome.Failed, policy.Steps[0].Outcome);
        Assert.Equal(how != "hang", policy.Last.IsOver);   // one that was given up still reads the request
        Assert.NotEmpty(policy.Log.Containing("on_error"));
    }

    [Fact]
    public async Task A_module_that_declares_nothing_is_not_run_when_it_is_observed()
    {
        var policy = new PolicyUnderTest(
            "{ name = mute, module = Silent, observe = on }, { name = end, module = Action, action = reject }", typeof(Silent))
        {
            Depth = DecisionDepth.Steps
        };
        Assert.Equal("reject", await policy.AskAsync());
        Assert.Equal(["mute NotRun", "end Answered"], policy.Steps.Select(static step => $"{step.Plugin} {step.Outcome}"));
        PolicyUnderTest.Build(
            "policyd { listen = [\"127.0.0.1:1\"], virtual_hosts = [ { name = x, port = 1, plugins = [ { name = mute, module = Silent, "
                + "observe = on } ] } ] }",
            out var diagnostics,
            new Policyd.Engine.Model.ModelEnvironment { Modules = ModuleRegistry.BuiltIn.With([typeof(Silent)]) });
        Assert.Contains(diagnostics.All, static one => one.Message.Contains("does not declare its side effects", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_observed_virtual_host_lets_every_mail_go_on_and_tells_what_it_would_have_answered()
    {
        var policy = PolicyUnderTest.Of(
            """
            policyd { virtual_hosts = [ { name = test, port = 12345, observe = on, plugins = [
              { name = mark, module = SetField, key = a, value = 1 }, { name = no, module = Action, action = "reject no" } ] } ] }
            """);
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Equal("no: reject no", policy.Last.Observed);
        Assert.Null(policy.Last.Plugin);
        Assert.Null(policy.Session["a"]);
    }

    [Fact]
    public async Task A_rehearsal_answers_and_changes_nothing()
    {
        var policy = new PolicyUnderTest(
            "{ name = trap, module = Honeypot, recipients = [\"trap@example.org\"] }, { name = grey, module = Greylist }");
        var session = new Policyd.Plugins.Sessions.Session();
        for (var round = 0; round < 2; round++)
        {
            Assert.Equal("defer greylisting is active", (await Rehearse(policy, session, "b@example.org")).Action);
            Assert.Equal("reject trapped by honeypod", (await Rehearse(policy, session, "trap@example.org")).Action);
        }

        Assert.Equal(0, session.Count);
        Assert.Empty(policy.Log.Lines);
        Assert.Equal("reject trapped by honeypod", await policy.AskAsync(("recipient", "trap@example.org"), ("sender", "a@example.net")));
        Assert.Equal("reject trapped by honeypod", (await Rehearse(policy, session, "b@example.org")).Action);
    }

    [Theory]
    [InlineData("module = Fail2Ban, socket = /nowhere/fail2ban.sock", "banned 192.0.2.7 in postfix")]
    [InlineData("module = Proxy, host = \"127.0.0.1:1\"", "asked 127.0.0.1:1")]
    [InlineData("module = SMTPVerify, host = nowhere.invalid", "asked nowhere.invalid about <a@example.net>")]
    [InlineData("module = Greylist", "made a ticket")]
    [InlineData("module = Honeypot, recipients = [\"b@example.org\"]", "trapped the client for 2h")]
    public async Task A_side_effect_is_left_out_and_told(string plugin, string wouldHave)
    {
        var policy = new PolicyUnderTest($"{{ name = it, observe = on, {plugin} }}") { Depth = DecisionDepth.Facts };
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@example.net"), ("recipient", "b@example.org")));
        var step = Assert.Single(policy.Steps);
        Assert.NotEqual(StepOutcome.Failed, step.Outcome);
        Assert.Equal(wouldHave, Assert.Single(step.Facts, static fact => fact.Name == "would have").Value);
        Assert.Equal(0, policy.Session.Count);
    }

    private static async Task<Policyd.Engine.Chain.ChainOutcome> Rehearse(
        PolicyUnderTest policy, Policyd.Plugins.Sessions.Session session, string recipient) =>
        await policy.Model.VirtualHosts[0].RehearseAsync(
            Policyd.Protocol.PolicyRequestBuilder.AccessPolicy()
                .Add("instance", "1")
                .Add("client_address", "192.0.2.7")
                .Add("sender", "a@example.net")
                .Add("recipient", recipient)
                .ToRequest(),
            session,
            policy.Timeout,
            new DecisionRecorder(DecisionDepth.Facts, TimeProvider.System));

    [SideEffects("acts")]
    public sealed class Declares : Plugin
    {
        public override ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            Assert.True(context.IsRehearsal);
            context.Session["declares"] = "1";
            context.AddScore(Name, 3);
            context.WouldHave("acted");
            return new(PluginResult.Answer("dunno"));
        }
    }

    [SideEffects]
    public sealed class BadDeclared : Plugin
    {
        public string How { get; set; } = "";

        public override ValueTask<PluginResult> RunAsync(PluginContext context) => How == "hang"
            ? new(new TaskCompletionSource<PluginResult>().Task)
            : throw new InvalidOperationException("broken");
    }

    public sealed class Silent : Plugin
    {
        public override ValueTask<PluginResult> RunAsync(PluginContext context) =>
            throw new InvalidOperationException("it must not be run");
    }
}
