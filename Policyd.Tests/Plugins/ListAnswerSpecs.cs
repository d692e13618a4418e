using System.Net;
using Policyd.Engine.Model;
using Policyd.Modules.DnsLists;
using Policyd.Tests.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>
/// Which answers of a DNS list are listings: not those by which lists refuse to be asked, unless the option <c>answers</c> says otherwise.
/// </summary>
public sealed class ListAnswerSpecs
{
    private const string Address = "7.2.0.192.";
    private const string White =
        "{ name = wl, module = RBL, domain = LIST, mode = accept }, { name = no, module = Action, action = \"reject spam\" }";

    [Theory]
    [InlineData("list.dnswl.org", "127.0.0.255", false)]
    [InlineData("list.dnswl.org", "127.0.10.3", true)]
    [InlineData("list.dnswl.org", "127.0.5.0", true)]
    [InlineData("dnswl.example", "127.0.0.255", false)]
    [InlineData("DNSWL.example", "127.0.0.255", false)]
    [InlineData("bits.example", "127.0.0.255", true)]
    [InlineData("notdnswl.example", "127.0.0.255", true)]
    [InlineData("wl.example", "127.0.0.1", false)]
    [InlineData("wl.example", "127.0.1.255", false)]
    [InlineData("wl.example", "127.0.2.255", true)]
    [InlineData("zrd.spamhaus.org", "127.0.2.255", false)]
    [InlineData("wl.example", "127.255.255.0", false)]
    [InlineData("wl.example", "127.255.255.252", false)]
    [InlineData("wl.example", "127.255.255.254", false)]
    [InlineData("wl.example", "127.255.255.255", false)]
    [InlineData("wl.example", "127.255.254.255", true)]
    [InlineData("wl.example", "127.1.0.1", true)]
    [InlineData("wl.example", "192.0.2.99", false)]
    [InlineData("wl.example", "127.0.0.2", true)]
    public async Task Refusal_is_no_listing_in_a_white_list(string list, string answer, bool isListing)
    {
        await using var server = new ScriptedDnsServer().A(Address + list, answer);
        await using var policy = Of(server, White.Replace("LIST", list, StringComparison.Ordinal));
        Assert.Equal(isListing ? "dunno" : "reject spam", await policy.AskAsync());
        Assert.Equal(
            isListing ? 0 : 1, policy.Log.Containing($"wl: {list.ToLowerInvariant()} answers {answer}, which is not a listing").Count());
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.1.255")]
    [InlineData("127.255.255.254")]
    [InlineData("203.0.113.9")]
    public async Task Refusal_is_no_listing_in_a_list_of_names(string answer)
    {
        await using var server = new ScriptedDnsServer().A("good.example.uribl.example", answer)
            .Txt("good.example.uribl.example", "Query Refused");
        await using var policy = Of(
            server, "{ name = uribl, module = DBL, domain = uribl.example }, { name = ok, module = Action, action = dunno }");
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@good.example")));
        Assert.Single(policy.Log.Containing($"uribl: uribl.example answers {answer}, which is not a listing"));
        Assert.Equal(0, server.CountOf("good.example.uribl.example", 16));
    }

    [Fact]
    public async Task Refusal_is_logged_once_an_hour_for_a_list_and_counted_each_time()
    {
        var clock = new ManualClock();
        using var counted = new MetricListener("policyd.dns.list_refusals");
        await using var server = new ScriptedDnsServer().A(Address + "bl.example", "127.255.255.254")
            .A("x.example.bl.example", "127.0.0.1");
        await using var policy = PolicyUnderTest.Of(
            Hocon(server, "{ name = bl, module = RBL, domain = bl.example }, { name = again, module = DBL, domain = bl.example }"),
            new ModelEnvironment { Clock = clock });
        for (var mail = 0; mail < 3; mail++)
        {
            policy.NewMail();
            Assert.Equal("dunno", await policy.AskAsync(("sender", "a@x.example")));
        }

        Assert.Equal("127.255.255.254", Assert.Single(policy.Log.Containing("which is not a listing")).Split("answers ")[1].Split(',')[0]);
        Assert.True(counted.Sum >= 6, $"{counted.Sum} refusals were counted");

        clock.Advance(TimeSpan.FromHours(1));
        policy.NewMail();
        await policy.AskAsync(("sender", "a@x.example"));
        Assert.Equal(2, policy.Log.Containing("which is not a listing").Count());
    }

    [Fact]
    public async Task Refusal_beside_a_listing_is_left_out()
    {
        await using var server = new ScriptedDnsServer().A(Address + "bl.example", "127.0.0.1")
            .A(Address + "bl.example", "127.0.0.4")
            .Txt(Address + "bl.example", "why");
        await using var policy = Of(server, """
            { name = bl, module = RBL, domain = bl.example, mode = passive }
            { name = one, module = RBLAction, result_from = bl, re_match = "[.]1$", reject_message = "one" }
            { name = four, module = RBLAction, result_from = bl, re_match = "[.]4$", reject_message = "four %INFO%" }
            """);
        Assert.Equal("reject four (why)", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("bl.example answers 127.0.0.1, which is not a listing"));
    }

    [Theory]
    [InlineData("127.0.0.[2..11]", "127.0.0.11", true)]
    [InlineData("127.0.0.[2..11]", "127.0.0.12", false)]
    [InlineData("127.0.0.1", "127.0.0.1", true)]
    [InlineData("127.255.255.254", "127.255.255.254", true)]
    [InlineData("10.[0..255].0.1", "10.9.0.1", true)]
    [InlineData("127.0.0.[2..11], 127.0.0.[20;24]", "127.0.0.24", true)]
    [InlineData("127.0.0.[2..11], 127.0.0.[20;24]", "127.0.0.22", false)]
    public async Task Answers_decide_alone_what_is_a_listing(string answers, string answer, bool isListing)
    {
        await using var server = new ScriptedDnsServer().A(Address + "wl.example", answer).A("x.example.wl.example", answer);
        await using var policy = Of(server, White.Replace("LIST", $"wl.example, answers = \"{answers}\"", StringComparison.Ordinal));
        Assert.Equal(isListing ? "dunno" : "reject spam", await policy.AskAsync());
        Assert.Empty(policy.Log.Containing("which is not a listing"));

        await using var names = Of(
            server,
            $"{{ name = dbl, module = DBL, domain = wl.example, answers = "
                + $"[{string.Join(", ", answers.Split(", ").Select(one => $"\"{one}\""))}] }}");
        Assert.Equal(isListing ? "reject sender rejected (x.example)" : "dunno", await names.AskAsync(("sender", "a@x.example")));
    }

    [Fact]
    public async Task Refusal_that_answers_does_not_have_is_still_told_of()
    {
        await using var server = new ScriptedDnsServer().A(Address + "bl.example", "127.255.255.254");
        await using var policy = Of(server, "{ name = bl, module = RBL, domain = bl.example, answers = \"127.0.0.[2..11]\" }");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("bl.example answers 127.255.255.254, which is not a listing"));
    }

    [Theory]
    [InlineData("answers = \"127.0.0.[10;11]\"", "reject act")]
    [InlineData("answers = \"127.0.0.1\"", "reject act")]
    [InlineData("answers = \"127.0.0.[10;11]\", re_match = \"0$\"", "reject act")]
    [InlineData("answers = \"127.0.0.[10;11]\", re_match = \"1$\"", "dunno")]
    [InlineData("re_match = \"[.]10$\"", "dunno")]
    [InlineData("re_match = \"[.]2$\"", "reject act")]
    public async Task Action_takes_what_counts_for_its_list_or_by_its_own_answers(string options, string expected)
    {
        await using var server = new ScriptedDnsServer().A(Address + "bl.example", "127.0.0.1")
            .A(Address + "bl.example", "127.0.0.2")
            .A(Address + "bl.example", "127.0.0.10");
        await using var policy = Of(server, $$"""
            { name = bl, module = RBL, domain = bl.example, mode = passive, answers = "127.0.0.[2..9]" }
            { name = act, module = RBLAction, result_from = bl, reject_message = act, {{options}} }
            """);
        Assert.Equal(expected, await policy.AskAsync());
    }

    [Theory]
    [InlineData("127.0.0.[2;4;6..8]", "127.0.0.7 127.0.0.2", "127.0.0.5 127.0.1.2 ::1 2001:db8::1")]
    [InlineData("[127;10..11].0.[0..255].255", "11.0.9.255 127.0.0.255", "12.0.9.255")]
    [InlineData("127.0.0.002", "127.0.0.2", "127.0.0.20")]
    public void Pattern_matches_as_Postfix_has_it(string pattern, string matching, string others)
    {
        Assert.True(AnswerPattern.TryParse(pattern, out var parsed, out _));
        Assert.All(matching.Split(' '), address => Assert.True(parsed!.Matches(IPAddress.Parse(address)), address));
        Assert.All(others.Split(' '), address => Assert.False(parsed!.Matches(IPAddress.Parse(address)), address));
        Assert.Equal(pattern, parsed!.ToString());
    }

    [Theory]
    [InlineData("", "expected a number from 0 to 255 at the end")]
    [InlineData("127.0.0", "expected \".\" at the end")]
    [InlineData("127.0.0.256", "256 is above 255")]
    [InlineData("127.0.0.99999999999999999999", "99999999999999999999 is above 255")]
    [InlineData("127.0.0.[2..11", "expected \"]\" at the end")]
    [InlineData("127.0.0.[11..2]", "the range 11..2 ends before it begins")]
    [InlineData("127.0.0.[]", "expected a number from 0 to 255 before \"]\"")]
    [InlineData("127.0.0.[2;]", "expected a number from 0 to 255 before \"]\"")]
    [InlineData("127.0.0.2..11", "unexpected \"..11\" after the fourth number")]
    [InlineData("127.0.0.2.3", "unexpected \".3\" after the fourth number")]
    [InlineData("127.0.0.[2, 4]", "expected \"]\" before \", 4]\"")]
    [InlineData("127.0.0.x", "expected a number from 0 to 255 before \"x\"")]
    public void Pattern_that_is_wrong_says_where(string pattern, string error)
    {
        Assert.False(AnswerPattern.TryParse(pattern, out _, out var told));
        Assert.Equal($"\"{pattern}\" is not a valid answer pattern such as 127.0.0.[2;4;6..8]: {error}", told);
    }

    [Theory]
    [InlineData("{ name = a, module = RBL, domain = x.example, answers = \"127.0.0.[2..300]\" }", "300 is above 255")]
    [InlineData("{ name = a, module = RBLAction, result_from = b }", "set re_match or answers")]
    public void Configuration_with_wrong_answers_is_refused_at_its_place(string plugin, string message)
    {
        Assert.Null(
            PolicyUnderTest.Build($"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [\n {plugin} ] }} ] }}", out var diagnostics));
        var error = Assert.Single(diagnostics.All, one => one.Message.Contains(message, StringComparison.Ordinal));
        Assert.Equal(2, error.Position.Line);
    }

    private static PolicyUnderTest Of(ScriptedDnsServer server, string plugins) => PolicyUnderTest.Of(Hocon(server, plugins));

    private static string Hocon(ScriptedDnsServer server, string plugins) =>
        $"policyd {{ dns {{ servers = [\"{server.Address}\"], timeout = 15s }}, virtual_hosts = [ {{ port = 12345, "
            + $"plugins = [ {plugins} ] }} ] }}";
}
