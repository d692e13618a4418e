using System.Net;
using System.Net.Sockets;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class ModuleSpecs
{
    private const string Tag = ", { name = tag, module = AddScoreHeader }";

    [Fact]
    public async Task Fields_are_set_and_cleared_by_name_and_prefix()
    {
        var policy = new PolicyUnderTest("""
            { name = 1, module = SetField, key = a, value = 1 }, { name = 2, module = SetField, key = q_1, value = 1 },
            { name = 3, module = SetField, key = q_2, value = 1 }, { name = 4, module = SetField, key = b, value = 2 },
            { name = 5, module = ClearFields, fields = "a, zz", fields_prefix = "q_" }
            """);
        await policy.AskAsync();
        Assert.Equal(["b"], policy.Session.Keys);
    }

    [Theory]
    [InlineData("match = boo", "boo", true)]
    [InlineData("match = boo", "BOO", false)]
    [InlineData("re_match = \"^b.o$\"", "boo", true)]
    [InlineData("gt_match = 5", "6", true)]
    [InlineData("gt_match = 5", "5", false)]
    [InlineData("gt_match = 5", "12abc", true)]
    [InlineData("gt_match = -1", "abc", true)]
    [InlineData("lt_match = 5", "4.9", true)]
    [InlineData("lt_match = 5", "5", false)]
    [InlineData("match = x, lt_match = 5", "1", true)]
    [InlineData("match = boo, invert = 1", "boo", false)]
    [InlineData("match = boo, invert = 1", "foo", true)]
    public async Task Condition_tests(string test, string helo, bool matches) =>
        Assert.Equal(
            matches ? "reject" : "dunno",
            await new PolicyUnderTest($"{{ module = Condition, key = helo_name, {test}, action = reject }}").AskAsync(("helo_name", helo)));

    [Theory]
    [InlineData("r:helo_name")]
    [InlineData("request:helo_name")]
    [InlineData("s:k")]
    [InlineData("session:k")]
    public async Task Condition_reads_both_scopes(string key) =>
        Assert.Equal(
            "reject",
            await new PolicyUnderTest(
                $"{{ module = SetField, key = k, value = v }}, {{ module = Condition, key = \"{key}\", "
                    + $"match = v, action = reject }}").AskAsync(
                ("helo_name", "v")));

    [Fact]
    public async Task Condition_skips_what_is_not_there_even_inverted() =>
        Assert.Equal(
            "dunno",
            await new PolicyUnderTest("{ module = Condition, key = \"s:none\", match = x, invert = 1, action = reject }").AskAsync());

    [Fact]
    public async Task Condition_scores_each_time_and_runs_its_chain()
    {
        var policy = new PolicyUnderTest(
            "{ name = c, module = Condition, key = helo_name, match = v, score = 2.5, plugins = [ { module = Action, action = hold } ] }");
        Assert.Equal("hold", await policy.AskAsync(("helo_name", "v")));
        await policy.AskAsync(("helo_name", "v"));
        Assert.Equal("5", policy.Session["score"]);
        Assert.Equal("c=2.5, c=2.5", policy.Session["score_detail"]);
    }

    [Theory]
    [InlineData("reject other", "reject other")]
    [InlineData("", "reject own")]
    public async Task User_option_stands_before_the_own_value(string users, string expected)
    {
        var set = users.Length > 0 ? $"{{ module = SetField, key = ua, value = \"{users}\" }}, " : "";
        Assert.Equal(expected, await new PolicyUnderTest(
            set + "{ module = Condition, key = helo_name, match = v, action = reject own, uc_action = ua }").AskAsync(("helo_name", "v")));
    }

    [Fact]
    public async Task User_option_that_does_not_fit_is_logged_and_the_own_value_used()
    {
        var policy = new PolicyUnderTest(
            "{ module = SetField, key = t, value = many }, { module = ScoreAction, threshold = 1, uc_threshold = t, action = reject }");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("is not a valid value of the option threshold"));
    }

    [Fact]
    public async Task Regex_list_scores_once_and_keeps_its_result()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("list", "# comment\n\n^never$\n^v");
        var policy = new PolicyUnderTest(
            $"{{ name = l, module = RegexList, key = helo_name, regex = [\"^z\", \"x,y\"], file = \"{file}\", score = -1 }}");
        await policy.AskAsync(("helo_name", "v1"));
        await policy.AskAsync(("helo_name", "no longer looked at"));
        Assert.Equal("-1", policy.Session["score"]);
        Assert.Equal("^v", policy.Session["l-result"]);
    }

    [Fact]
    public async Task Regex_list_inverts_and_can_be_switched_off()
    {
        Assert.Equal("reject", await new PolicyUnderTest(
            "{ module = RegexList, key = helo_name, regex = \"^v\", invert = 1, action = reject }").AskAsync(("helo_name", "w")));
        Assert.Equal("dunno", await new PolicyUnderTest(
            "{ module = RegexList, key = helo_name, regex = \"^v\", enabled = off, action = reject }").AskAsync(("helo_name", "v")));
        Assert.Equal(
            "dunno",
            await new PolicyUnderTest(
                "{ module = SetField, key = e, value = off }, { module = RegexList, key = helo_name, regex = \"^v\", "
                    + "uc_enabled = e, action = reject }").AskAsync(
                ("helo_name", "v")));
    }

    [Theory]
    [InlineData("\"\"", "v", "reject")]
    [InlineData("\"\"", "", "reject")]
    [InlineData("[\"^x\", \"\"]", "v", "reject")]
    [InlineData("\"\", invert = on", "v", "dunno")]
    public async Task Empty_regex_matches_every_value_as_in_mtpolicyd(string regex, string helo, string expected) => Assert.Equal(
        expected,
        await new PolicyUnderTest($"{{ module = RegexList, key = helo_name, action = reject, regex = {regex} }}")
            .AskAsync(("helo_name", helo)) ?? "dunno");

    [Fact]
    public void Regex_file_errors_have_file_and_line()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("list", "ok\n(open");
        PolicyUnderTest.Build(
            $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {{ module = RegexList, key = sender, "
                + $"file = \"{file}\" }} ] }} ] }}", out var diagnostics);
        Assert.Contains(diagnostics.Errors, error => error.Position.File == file && error.Position.Line == 2);
    }

    [Theory]
    [InlineData("threshold = 3", "reject 192.0.2.7 3, c=3 %IP%")]
    [InlineData("threshold = 3.1", "dunno")]
    [InlineData("threshold = 3, match = lt", "reject 192.0.2.7 3, c=3 %IP%")]
    [InlineData("threshold = 2, match = lt", "dunno")]
    [InlineData("threshold = 1, score_field = other", "dunno")]
    public async Task Score_action_fills_each_place_once(string options, string expected) =>
        Assert.Equal(
            expected,
            await new PolicyUnderTest(
                $"{{ name = c, module = Condition, key = helo_name, match = v, score = 3 }}, {{ module = ScoreAction, {options}, action = "
                    + $"\"reject %IP% %SCORE%%SCORE_DETAIL% %IP%\" }}").AskAsync(
                ("helo_name", "v")));

    [Fact]
    public async Task Score_action_runs_its_chain() =>
        Assert.Equal("hold", await new PolicyUnderTest(
            "{ module = ScoreAction, threshold = 0, plugins = [ { module = Action, action = hold } ] }").AskAsync());

    [Fact]
    public async Task Score_header_comes_once_a_mail()
    {
        var policy = new PolicyUnderTest(
            "{ name = a, module = Condition, key = helo_name, match = v, score = 0.1 }, { name = b, module = Condition, key = helo_name, "
                + "match = v, score = 0.2 }, { module = AddScoreHeader, spam_score = 0.3, header_name = X-S }");
        Assert.Equal("PREPEND X-S: YES score=0.3 [a=0.1, b=0.2]", await policy.AskAsync(("helo_name", "v")));
        Assert.Equal("dunno", await policy.AskAsync(("helo_name", "v")));
    }

    [Fact]
    public async Task Eval_keeps_the_actions_of_its_chain_and_answers_nothing()
    {
        var policy = new PolicyUnderTest("{ module = Eval, store_in = r, plugins = [ { module = Action, action = any words } ] }" + Tag);
        Assert.Equal("PREPEND X-MtScore: NO score=0", await policy.AskAsync());
        Assert.Equal("any words", policy.Session["r"]);
    }

    [Theory]
    [InlineData("yes", "defer busy")]
    [InlineData("", "dunno")]
    public async Task Stress_acts_under_stress_only(string stress, string expected) =>
        Assert.Equal(expected, await new PolicyUnderTest("{ module = Stress, action = defer busy }").AskAsync(("stress", stress)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Proxy_answers_what_the_other_server_says(bool keepalive)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var connections = 0;
        var serving = Task.Run(async () =>
        {
            while (true)
            {
                using var socket = await listener.AcceptSocketAsync();
                connections++;
                var framer = new RequestFramer(RequestLimits.Default);
                var buffer = new byte[4096];
                while (await socket.ReceiveAsync(buffer) is > 0 and var read)
                {
                    framer.Append(buffer.AsSpan(0, read));
                    if (framer.TryTake(out var frame, out _) == FrameStatus.Frame
                        && PolicyRequestReader.TryRead(frame, RequestLimits.Default, out var request, out _))
                    {
                        await socket.SendAsync(PolicyReply.Encode("reject " + request!.HeloName));
                    }
                }
            }
        }, TestContext.Current.CancellationToken);
        var policy = new PolicyUnderTest(
            $"{{ module = Proxy, host = \"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}\", keepalive = {(keepalive ? 1 : 0)} }}");
        Assert.Equal("reject one", await policy.AskAsync(("helo_name", "one")));
        Assert.Equal("reject two", await policy.AskAsync(("helo_name", "two")));
        Assert.Equal(keepalive ? 1 : 2, connections);
        Assert.False(serving.IsFaulted);
    }

    [Fact]
    public async Task Proxy_does_not_wait_past_its_deadline()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var policy = new PolicyUnderTest(
            $"{{ module = Proxy, host = \"127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}\", timeout = 100ms, "
                + $"on_error = defer no answer }}");
        Assert.Equal("defer no answer", await policy.AskAsync());
    }
}
