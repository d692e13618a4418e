using Policyd.Engine.Model;
using Policyd.Modules.Spf;
using Policyd.Plugins.Sessions;
using Policyd.Tests.Plugins;

namespace Policyd.Tests.Spf;

public sealed class SpfPluginSpecs
{
    private readonly TextZone _dns = new()
    {
        ["pass.test"] = "v=spf1 ip4:192.0.2.0/24 -all",
        ["fail.test"] = "v=spf1 -all",
        ["explained.test"] = "v=spf1 -all exp=why.explained.test",
        ["why.explained.test"] = "%{i} may not send for %{d}",
        ["soft.test"] = "v=spf1 ~all",
        ["neutral.test"] = "v=spf1 ?all",
        ["wrong.test"] = "v=spf1 ipv4:192.0.2.1 -all",
        ["xn--exmple-cua.test"] = "v=spf1 -all",
    };

    private Session _session = new();

    [Theory]
    [InlineData("", "a@pass.test", "dunno")]
    [InlineData("pass_mode = accept", "a@pass.test", "dunno")]
    [InlineData("", "a@fail.test", "reject SPF validation failed: the client may not use 'a@fail.test' (mfrom): fail.test: -all matches")]
    [InlineData("fail_mode = passive", "a@fail.test", "dunno")]
    [InlineData("reject_message = \"no: %AUTH_EXPL%\"", "a@explained.test", "reject no: 192.0.2.7 may not send for explained.test")]
    [InlineData(
        "reject_message = \"no: %AUTH_EXPL%\", hostname = mx.test",
        "a@fail.test",
        "reject no: See http://www.fail.test/why/id=a%40fail.test;ip=192.0.2.7;r=mx.test")]
    [InlineData("", "a@soft.test", "dunno")]
    [InlineData(
        "softfail_mode = reject",
        "a@soft.test",
        "reject SPF validation failed: the client may not use 'a@soft.test' (mfrom): soft.test: ~all matches")]
    [InlineData("", "a@neutral.test", "dunno")]
    [InlineData("", "a@nothing.test", "dunno")]
    [InlineData("", "a@away.test", "defer spf mfrom check failed: the policy of away.test cannot be looked up")]
    [InlineData("temperror_mode = passive", "a@away.test", "dunno")]
    [InlineData("temperror_mode = reject", "a@away.test", "reject spf mfrom check failed: the policy of away.test cannot be looked up")]
    [InlineData(
        "", "a@wrong.test", "reject spf mfrom check failed: the policy of wrong.test is invalid: \"ipv4:192.0.2.1\" is not a mechanism")]
    [InlineData("permerror_mode = dunno", "a@wrong.test", "dunno")]
    [InlineData("enabled = off", "a@fail.test", "dunno")]
    [InlineData("whitelist = \"10.0.0.0/8, 192.0.2.7\"", "a@fail.test", "dunno")]
    [InlineData("whitelist = \"192.0.2.200/24\"", "a@fail.test", "dunno")]
    [InlineData(
        "whitelist = \"192.0.2.200/25\"",
        "a@fail.test",
        "reject SPF validation failed: the client may not use 'a@fail.test' (mfrom): fail.test: -all matches")]
    [InlineData(
        "",
        "ü@exämple.test",
        "reject SPF validation failed: the client may not use '\\xc3\\xbc@ex\\xc3\\xa4mple.test' (mfrom): "
            + "xn--exmple-cua.test: -all matches")]
    public async Task Result_does_what_its_mode_says(string options, string sender, string answer) =>
        Assert.Equal(answer, await AskAsync(options, ("sender", sender), ("helo_name", "unknown-host")));

    [Fact]
    public async Task HELO_is_checked_first_and_its_pass_never_answers()
    {
        Assert.StartsWith(
            "reject SPF validation failed: the client may not use 'fail.test' (helo)",
            await AskAsync("", ("sender", "a@pass.test"), ("helo_name", "fail.test")),
            StringComparison.Ordinal);
        Assert.Equal("dunno", await AskAsync("check_helo = off", ("sender", "a@pass.test"), ("helo_name", "fail.test")));
        Assert.StartsWith(
            "reject ",
            await AskAsync("pass_mode = accept", ("sender", "a@fail.test"), ("helo_name", "pass.test")),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bounce_is_checked_as_the_postmaster_of_HELO() =>
        Assert.Contains(
            "'postmaster@fail.test' (mfrom)",
            await AskAsync("check_helo = off", ("sender", ""), ("helo_name", "fail.test")),
            StringComparison.Ordinal);

    [Fact]
    public async Task Score_is_added_once_a_mail()
    {
        await AskAsync("pass_score = -10", ("sender", "a@pass.test"), ("helo_name", "pass.test"));
        Assert.Equal("-10", _session["score"]);
        Assert.Equal("spf=-10", _session["score_detail"]);
    }

    [Fact]
    public async Task Pass_of_HELO_adds_no_score()
    {
        await AskAsync("pass_score = -10", ("sender", "a@neutral.test"), ("helo_name", "pass.test"));
        Assert.Null(_session["score"]);
    }

    [Fact]
    public async Task Score_goes_into_the_field_that_the_option_names()
    {
        await AskAsync("pass_score = -10, score_field = trust", ("sender", "a@pass.test"), ("helo_name", ""));
        Assert.Null(_session["score"]);
        Assert.Equal("-10", _session["trust"]);
    }

    [Fact]
    public async Task Explanation_is_looked_up_only_when_it_is_shown()
    {
        await AskAsync("", ("sender", "a@explained.test"));
        Assert.DoesNotContain("why.explained.test", _dns.Asked);
        await AskAsync("reject_message = \"%AUTH_EXPL%\"", ("sender", "a@explained.test"));
        Assert.Contains("why.explained.test", _dns.Asked);
    }

    [Fact]
    public async Task What_can_have_no_policy_is_not_asked_for()
    {
        foreach (var helo in (string[])["localhost", "[192.0.2.7]", "192.0.2.7", "a..b", "."])
        {
            await AskAsync("", ("sender", ""), ("helo_name", helo));
        }

        Assert.Empty(_dns.Asked);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.9.9.9")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::1")]
    [InlineData("unknown")]
    [InlineData("")]
    public async Task Loopback_and_what_is_no_address_are_not_checked(string client) =>
        Assert.Equal("dunno", await AskAsync("", ("sender", "a@fail.test"), ("client_address", client)));

    [Fact]
    public async Task What_a_domain_explains_cannot_break_the_answer()
    {
        _dns["why.explained.test"] = new string('x', 3000) + "%_%{l}";
        var answer = await AskAsync("reject_message = \"%AUTH_EXPL%\"", ("sender", "a@explained.test"));
        Assert.DoesNotContain('\n', answer!);
        Assert.InRange(answer!.Length, 10, 460);
    }

    [Theory]
    [InlineData("whitelist = \"010.0.0.0/8\"", "is neither an address nor a network")]
    [InlineData("whitelist = \"192.0.2.1/33\"", "is neither an address nor a network")]
    [InlineData("default_authority_explanation = \"%{x}\"", "an unknown macro")]
    [InlineData("fail_mode = rejct", "reject")]
    [InlineData("fail_mode = defer", "passive")]
    [InlineData("pass_mode = reject", "accept")]
    [InlineData("whitelist = 10", "is neither an address nor a network")]
    public void A_mistake_is_an_error(string options, string part)
    {
        Assert.Null(PolicyUnderTest.Build(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ { module = SPF, " + options + " } ] } ] }", out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void No_text_makes_the_parser_do_anything_but_parse_or_refuse()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        string[] pieces = [
            "v=spf1", " ", "a", "mx", "ptr", "ip4:", "ip6:", "include:", "exists:", "redirect=", "exp=", "%{", "}", "%", "d", "r", "/",
            "//", "32", "129", ".", "com", "-all", "~", "::", "1.2.3.4", "\u0080", "\t", "="
        ];
        for (var round = 0; round < 20_000; round++)
        {
            var text = "v=spf1 " + string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                SpfRecord.Parse(text);
            }
            catch (SpfSyntaxException)
            {
                // Refused, in words.
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: \"{text}\": {e}");
            }
        }
    }

    private async Task<string?> AskAsync(string options, params (string Name, string Value)[] attributes)
    {
        await using var policy = PolicyUnderTest.Of(
            $"policyd {{ virtual_hosts = [ {{ name = test, port = 12345, plugins = [ {{ name = spf, module = SPF, {options} }} ] }} ] }}",
            new ModelEnvironment { Dns = _dns });
        var answer = await policy.AskAsync(attributes);
        _session = policy.Session;
        return answer;
    }
}
