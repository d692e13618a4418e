using System.Globalization;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Smtp;

/// <summary>
/// SMTPVerify finds the servers of a domain, and their records, in the DNS. The servers are on several addresses of loopback and one port.
/// </summary>
public sealed class SmtpVerifyDnsSpecs
{
    private const string Actions = "temp_fail_action = \"defer T %MSG%\", perm_fail_action = \"reject P %MSG%\"";

    // An address of loopback at which nothing listens by itself.
    private const string DeadAddress = "127.0.0.77";

    private const string Records =
        "check_tlsa = on, check_openpgp = on, has_starttls_score = 10, has_tlsa_score = 100, no_tlsa_score = 200, has_openpgp_score = "
            + "1000, no_openpgp_score = 2000";

    [Fact]
    public async Task Servers_are_tried_by_preference()
    {
        await using var best = new ScriptedSmtpServer().On("RCPT", "550 best");
        await using var other = new ScriptedSmtpServer("127.0.0.2", best.Port).On("RCPT", "550 other");
        await using var dns = new ScriptedDnsServer().Mx("x.test", 20, "other.x.test")
            .Mx("x.test", 10, "best.x.test")
            .A("best.x.test", "127.0.0.1")
            .A("other.x.test", "127.0.0.2");
        await using var policy = Policy(dns, best.Port, Actions);
        Assert.Equal("reject P best", await policy.AskAsync(("sender", "a@x.test")));
        Assert.Equal((1, 0), (best.Connections, other.Connections));
    }

    public static TheoryData<string, string> Turns => new()
    {
        { "GREETING", "554 5.3.2 not you" },
        { "GREETING", "421 busy" },
        { "GREETING", "garbage" },
        { "EHLO", "421 busy" },
        { "EHLO", "<silence>" },
        { "EHLO", "<close>" },
    };

    [SoakTest("waits for the share of 16 s that a silent server may take")]
    [Theory]
    [MemberData(nameof(Turns))]
    public async Task Next_server_is_tried_when_one_turns_us_away(string command, string reply)
    {
        await using var first = new ScriptedSmtpServer();
        _ = reply.StartsWith('<') ? first.OnRaw(command, "", reply == "<close>") : first.On(command, reply);
        await using var second = new ScriptedSmtpServer("127.0.0.2", first.Port).On("RCPT", "550 5.1.1 second");
        await using var dns = TwoServers();
        await using var policy = Policy(dns, first.Port, Actions + ", timeout = 16s");
        Assert.Equal("reject P 5.1.1 second", await Eventually.Ends("the answer", policy.AskAsync(("sender", "a@x.test"))));
        Assert.Equal((1, 1), (first.Connections, second.Connections));
    }

    [Theory]
    [InlineData("450 4.2.0 wait", "defer T 4.2.0 wait")]
    [InlineData("550 5.1.1 no", "reject P 5.1.1 no")]
    public async Task What_a_server_says_of_the_address_holds(string reply, string answer)
    {
        await using var first = new ScriptedSmtpServer().On("RCPT", reply);
        await using var second = new ScriptedSmtpServer("127.0.0.2", first.Port);
        await using var dns = TwoServers();
        await using var policy = Policy(dns, first.Port, Actions);
        Assert.Equal(answer, await policy.AskAsync(("sender", "a@x.test")));
        Assert.Equal(0, second.Connections);
    }

    [Fact]
    public async Task Server_that_is_down_is_passed_over_and_a_refusal_of_the_other_is_not_final()
    {
        await using var second = new ScriptedSmtpServer("127.0.0.2").On("GREETING", "554 not you");
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "a.x.test")
            .Mx("x.test", 20, "b.x.test")
            .A("a.x.test", DeadAddress)
            .A("b.x.test", "127.0.0.2");
        await using var policy = Policy(dns, second.Port, Actions);

        // The one that is down may be back, and take the mail.
        Assert.Equal("defer T the mail server of x.test cannot be reached", await policy.AskAsync(("sender", "a@x.test")));
        second.On("GREETING", "220 come in");
        policy.NewMail();
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@x.test")) ?? "dunno");
    }

    [Fact]
    public async Task Domain_without_mx_is_its_own_server()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        await using var dns = new ScriptedDnsServer().A("x.test", "127.0.0.1");
        await using var policy = Policy(dns, server.Port, Actions);
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@x.test")));
    }

    [Fact]
    public async Task Server_of_ipv6_is_dialled()
    {
        if (!System.Net.Sockets.Socket.OSSupportsIPv6)
        {
            Assert.Skip("this machine has no IPv6");
        }

        await using var server = new ScriptedSmtpServer("::1").On("RCPT", "550 six");
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "mx.x.test").Aaaa("mx.x.test", "::1");
        await using var policy = Policy(dns, server.Port, Actions);
        Assert.Equal("reject P six", await policy.AskAsync(("sender", "a@x.test")));
        policy.NewMail();
        Assert.Equal("reject P six", await policy.AskAsync(("sender", "a@[IPv6:::1]")));
    }

    [Fact]
    public async Task Server_with_a_dead_address_is_reached_at_the_other()
    {
        await using var server = new ScriptedSmtpServer("127.0.0.2").On("RCPT", "550 no");
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "mx.x.test").A("mx.x.test", DeadAddress).A("mx.x.test", "127.0.0.2");
        await using var policy = Policy(dns, server.Port, Actions);
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@x.test")));
    }

    [Fact]
    public async Task Domain_beyond_ascii_is_asked_for_in_ascii_and_literals_are_dialled()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        await using var dns = new ScriptedDnsServer().Mx("xn--bcher-kva.test", 10, "mx.x.test").A("mx.x.test", "127.0.0.1");
        await using var policy = Policy(dns, server.Port, Actions);
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@bücher.test")));
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@[127.0.0.1]")));
        Assert.Equal(["RCPT TO:<a@xn--bcher-kva.test>", "RCPT TO:<a@[127.0.0.1]>"], server.CommandsOf("RCPT"));
    }

    [Theory]
    [InlineData("null.test", "reject P the domain null.test accepts no mail")]
    [InlineData("absent.test", "reject P the domain absent.test does not exist")]
    [InlineData("noaddress.test", "reject P the mail server mx.noaddress.test has no address")]
    [InlineData("textonly.test", "reject P the mail server textonly.test has no address")]
    [InlineData("servfail.test", "defer T the mail servers of servfail.test cannot be looked up")]
    [InlineData("halffail.test", "defer T the mail server mx.servfail.test cannot be looked up")]
    public async Task Domain_without_a_server_fails_as_the_dns_says(string domain, string answer)
    {
        await using var dns = new ScriptedDnsServer()
            .Mx("null.test", 0, "")
            .Mx("noaddress.test", 10, "mx.noaddress.test")
            .Txt("textonly.test", "hello")
                .Mx("halffail.test", 10, "mx.servfail.test")
                    .With(DnsFault.ServFail, "servfail.test")
                    .With(DnsFault.ServFail, "mx.servfail.test");
        await using var policy = Policy(dns, FreePort.Next(), Actions);
        Assert.Equal(answer, await policy.AskAsync(("sender", $"a@{domain}")));
        policy.NewMail();
        await using var silent = Policy(dns, FreePort.Next(), "has_starttls_score = 1");
        Assert.Equal("dunno", await silent.AskAsync(("sender", $"a@{domain}")) ?? "dunno");
    }

    [Theory]
    [InlineData("a@x.test")]
    [InlineData("a@direct.test")]
    [InlineData("a@[127.0.0.1]")]
    [InlineData("a@[IPv6:::ffff:127.0.0.1]")]
    public async Task Stranger_cannot_have_us_dial_addresses_that_are_not_of_the_internet(string sender)
    {
        await using var server = new ScriptedSmtpServer();
        await using var dns = TwoServers().A("direct.test", "127.0.0.1");
        await using var policy = Policy(dns, server.Port, Actions + ", allow_private = off");
        Assert.StartsWith("defer T the mail server ", await policy.AskAsync(("sender", sender)), StringComparison.Ordinal);
        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task Silent_dns_is_a_temporary_failure_in_time()
    {
        await using var dns = new ScriptedDnsServer { Fault = DnsFault.Silence };
        await using var policy = Policy(dns, FreePort.Next(), Actions + ", timeout = 4s, check_openpgp = on, check_tlsa = on");
        Assert.Equal(
            "defer T the mail server of x.test cannot be reached",
            await Eventually.Ends("the answer", policy.AskAsync(("sender", "a@x.test"))));
    }

    [SoakTest("waits for a timeout of 6 s")]
    [Fact]
    public async Task Domain_with_a_hundred_silent_servers_ends_in_time()
    {
        await using var server = new ScriptedSmtpServer().OnRaw("GREETING", "");
        await using var dns = new ScriptedDnsServer();
        for (var number = 0; number < 50; number++)
        {
            dns.Mx("x.test", number, $"mx{number}.x.test").A($"mx{number}.x.test", "127.0.0.1");
        }

        await using var policy = Policy(dns, server.Port, Actions + ", timeout = 6s");
        Assert.Equal(
            "defer T the mail server of x.test cannot be reached",
            await Eventually.Ends("the answer", policy.AskAsync(("sender", "a@x.test"))));
        Assert.InRange(server.Connections, 1, 5);
    }

    [Theory]
    [InlineData(true, true, "v-hugh@x.test-starttls=10, v-hugh@x.test-tlsa=100, v-hugh@x.test-openpgp=1000")]
    [InlineData(false, true, "v-hugh@x.test-starttls=10, v-hugh@x.test-tlsa=200, v-hugh@x.test-openpgp=1000")]
    [InlineData(false, false, "v-hugh@x.test-starttls=10, v-hugh@x.test-tlsa=200, v-hugh@x.test-openpgp=2000")]
    public async Task Tlsa_counts_when_it_is_secured_and_openpgp_when_it_is_there(bool isSigned, bool areThere, string detail)
    {
        await using var server = new ScriptedSmtpServer();
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "mx.x.test").A("mx.x.test", "127.0.0.1");
        var tlsa = string.Create(CultureInfo.InvariantCulture, $"_{server.Port}._tcp.mx.x.test");
        if (areThere)
        {
            dns.Add(tlsa, 52, 300, [3, 1, 1, 0xab])
                .Add("c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey.x.test", 61, 300, [1, 2, 3]);
        }

        if (isSigned)
        {
            dns.Signed(tlsa);
        }

        await using var policy = Policy(dns, server.Port, Records);
        await policy.AskAsync(("sender", "hugh@x.test"));
        Assert.Equal(detail, policy.Session["score_detail"]);
    }

    [Fact]
    public async Task Records_that_cannot_be_looked_up_score_nothing()
    {
        await using var server = new ScriptedSmtpServer();
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "mx.x.test").A("mx.x.test", "127.0.0.1")
            .With(DnsFault.ServFail, string.Create(CultureInfo.InvariantCulture, $"_{server.Port}._tcp.mx.x.test"))
            .With(DnsFault.ServFail, "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey.x.test");
        await using var policy = Policy(dns, server.Port, Records);
        await policy.AskAsync(("sender", "hugh@x.test"));
        Assert.Equal("v-hugh@x.test-starttls=10", policy.Session["score_detail"]);
    }

    [Fact]
    public async Task Records_are_asked_for_only_when_the_options_say_so()
    {
        await using var server = new ScriptedSmtpServer();
        await using var dns = new ScriptedDnsServer().Mx("x.test", 10, "mx.x.test").A("mx.x.test", "127.0.0.1");
        await using var policy = Policy(dns, server.Port, Records.Replace("= on", "= off", StringComparison.Ordinal));
        await policy.AskAsync(("sender", "hugh@x.test"));
        Assert.DoesNotContain(dns.Names, name => name.StartsWith('_') || name.Contains("openpgp", StringComparison.Ordinal));
        Assert.Equal("v-hugh@x.test-starttls=10", policy.Session["score_detail"]);
    }

    [Fact]
    public async Task Servers_are_looked_up_before_the_chain_runs()
    {
        await using var dns = new ScriptedDnsServer();
        await using var policy = PolicyUnderTest.Of(
            $"policyd {{ dns {{ servers = [\"{dns.Address}\"], timeout = 15s }}, virtual_hosts = [ {{ name = t, port = 12345, plugins = [ "
                + $"{{ name = first, module = Action, action = dunno }}, {{ module = SMTPVerify }} ] }} ] }}");
        await policy.AskAsync(("sender", "a@x.test"));
        await Eventually.Holds("the question for the servers", () => dns.CountOf("x.test", 15) == 1);
    }

    [Fact]
    public async Task More_than_two_hundred_calls_at_a_time_are_not_made()
    {
        await using var dns = new ScriptedDnsServer();
        dns.Hold();
        await using var policy = Policy(dns, FreePort.Next(), Actions);
        var asking = Enumerable.Range(0, 201)
            .Select(number => policy.Model.VirtualHosts[0].RunAsync(Request(number), new Session(), TimeSpan.FromSeconds(60)).AsTask())
            .ToArray();
        Assert.Equal("defer T too many addresses are being verified", (await Eventually.Ends("the answer to the last", asking[^1])).Action);
        Assert.DoesNotContain(asking[..^1], static task => task.IsCompleted);
        dns.Release();
        Assert.All(
            await Eventually.Ends("all answers", Task.WhenAll(asking[..^1])),
            outcome => Assert.EndsWith(" does not exist", outcome.Action, StringComparison.Ordinal));
        Assert.Equal("reject P the domain x0.test does not exist", await policy.AskAsync(("sender", "a@x0.test")));
    }

    private static PolicyRequest Request(int number) =>
        PolicyRequestBuilder.AccessPolicy()
            .Add("instance", $"{number}")
            .Add("client_address", "192.0.2.7")
            .Add("sender", $"a@x{number}.test")
            .ToRequest();

    private static ScriptedDnsServer TwoServers() =>
        new ScriptedDnsServer().Mx("x.test", 10, "a.x.test")
            .Mx("x.test", 20, "b.x.test")
            .A("a.x.test", "127.0.0.1")
            .A("b.x.test", "127.0.0.2");

    private static PolicyUnderTest Policy(ScriptedDnsServer dns, int port, string options) => PolicyUnderTest.Of(string.Create(
        CultureInfo.InvariantCulture,
        $"policyd {{ dns {{ servers = [\"{dns.Address}\"], timeout = 15s }}, virtual_hosts = [ {{ name = t, port = 12345, plugins = [ {{ "
            + $"name = v, module = SMTPVerify, port = {port}, "
            + $"{(options.Contains("allow_private", StringComparison.Ordinal) ? "" : "allow_private = on,")} {options} }} ] }} ] }}"));
}
