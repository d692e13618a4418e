using Policyd.Modules;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Smtp;
using Policyd.Protocol;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Idna;

/// <summary>Every module that asks the DNS for a domain, compares one or makes a key of it takes all spellings of it for one.</summary>
public sealed class DomainsInModulesSpecs
{
    private const string Ascii = "xn--bcher-kva.example";

    public static TheoryData<string> Spellings => [
        "bücher.example", "BÜCHER.Example", "bu\u0308cher.example", "bücher。example", "xn--bcher-kva.example", "XN--BCHER-KVA.example",
        "bücher.example."
    ];

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Dbl_finds_sender_client_and_helo(string domain)
    {
        await using var server = new ScriptedDnsServer().A(Ascii + ".dbl.test", "127.0.1.2");
        await using var policy = Of(
            server, "{ name = dbl, module = DBL, domain = dbl.test, helo_name_mode = reject, reject_message = \"%CHECK%\" }");
        Assert.Equal("reject sender", await policy.AskAsync(("sender", "a@" + domain)));
        policy.NewMail();
        Assert.Equal("reject reverse_client_name", await policy.AskAsync(("reverse_client_name", domain)));
        policy.NewMail();
        Assert.Equal("reject helo_name", await policy.AskAsync(("helo_name", domain)));
    }

    [Fact]
    public async Task Dbl_names_what_it_asked_for_and_skips_what_is_no_name()
    {
        await using var server = new ScriptedDnsServer().A(Ascii + ".dbl.test", "127.0.1.2");
        await using var policy = Of(server, "{ name = dbl, module = DBL, domain = dbl.test }");
        Assert.Equal("reject sender rejected (xn--bcher-kva.example)", await policy.AskAsync(("sender", "a@bücher.example")));
        policy.NewMail();
        var asked = server.Queries;
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@b\u202echer.example"), ("helo_name", "１９２.０.２.１")));
        Assert.Equal(asked, server.Queries);
    }

    [Theory]
    [InlineData("DBL", "a@xn--zckzah.example", "sender rejected (xn--zckzah.example)")]
    [InlineData("RBL", "", "delivery from 192.0.2.7 rejected ")]
    public async Task Domain_of_a_list_may_be_beyond_ascii(string module, string sender, string rejected)
    {
        await using var server = new ScriptedDnsServer().A("xn--zckzah.example.xn--bcher-kva.example", "127.0.1.2")
            .A("7.2.0.192.xn--bcher-kva.example", "127.0.0.2");
        await using var policy = Of(server, $"{{ name = list, module = {module}, domain = \"bücher.example\" }}");
        Assert.Equal("reject " + rejected, await policy.AskAsync(("sender", sender)));
    }

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Spf_asks_for_the_policy_of_sender_and_helo(string domain)
    {
        await using var server = new ScriptedDnsServer().Txt(Ascii, "v=spf1 exists:%{h}.helo.test -all")
            .A(Ascii + ".helo.test", "127.0.0.2");
        await using var policy = Of(
            server,
            "{ name = spf, module = SPF, check_helo = off, reject_message = no, pass_mode = accept }, { name = no, module = "
                + "Action, action = \"reject chain\" }");
        Assert.Equal("reject no", await policy.AskAsync(("sender", "a@" + domain)));
        policy.NewMail();
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@" + domain), ("helo_name", domain.TrimEnd('.'))));
        policy.NewMail();

        // A domain that cannot be mapped has no policy.
        Assert.Equal("reject chain", await policy.AskAsync(("sender", "a@b\ufffdcher.example")));
    }

    [Theory]
    [InlineData("a@BÜCHER.example", Ascii)]
    [InlineData("a@bu\u0308cher。example", Ascii)]
    [InlineData("a@א1.example", "xn--1-zhc.example")]
    public void Smtp_callout_goes_to_the_mapped_domain(string address, string domain) =>
        Assert.Equal(domain, SmtpAddress.Parse(address)?.Domain);

    [Theory]
    [InlineData("a@x＞ü.example")]
    [InlineData("a@x＠ü.example")]
    [InlineData("a@ü\u00a0b.example")]
    [InlineData("a@xn--ü.example")]
    [InlineData("a@［ü.example")]
    public void Smtp_callout_takes_nothing_that_ends_a_command(string address) => Assert.Null(SmtpAddress.Parse(address));

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Greylist_keeps_one_ticket(string domain)
    {
        await using var policy = new PolicyUnderTest(
            "{ name = grey, module = Greylist, use_autowl = off, query_autowl = off, append_waittime = on }");
        Assert.Equal("defer greylisting is active", await policy.AskAsync(("sender", $"a@{Ascii}"), ("recipient", $"b@{Ascii}")));
        policy.NewMail();
        Assert.StartsWith(
            "defer greylisting is active (",
            await policy.AskAsync(("sender", $"A@{domain}"), ("recipient", $"B@{domain}")),
            StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Honeypot_knows_its_recipients(string domain)
    {
        await using var policy = new PolicyUnderTest("{ name = trap, module = Honeypot, recipients = [\"Trap@bücher.example\"] }");
        Assert.Equal("reject trapped by honeypod", await policy.AskAsync(("recipient", "trap@" + domain)));
    }

    [Theory]
    [MemberData(nameof(Spellings))]
    public void Key_of_a_counter_is_one(string domain)
    {
        Assert.True(
            KeyTemplate.TryParse("%{sender}|%{recipient_domain}|%{sasl_username}|%{helo_name}|%{protocol_state}", out var template, out _));
        var request = PolicyRequestBuilder
            .AccessPolicy()
            .Add("sender", "A@" + domain)
            .Add("recipient", "b@" + domain)
            .Add("sasl_username", "u@" + domain)
                .Add("helo_name", domain).Add("protocol_state", "RCPT").ToRequest();
        Assert.Equal($"a@{Ascii}|{Ascii}|u@{Ascii}|{Ascii}|RCPT", template!.Fill(request));
    }

    [Theory]
    [InlineData("sender", "A@BÜCHER.Example", "A@xn--bcher-kva.example")]
    [InlineData("sender", "A@Example.ORG", "A@Example.ORG")]
    [InlineData("sasl_username", "Ü", "Ü")]
    [InlineData("sasl_username", "Ü@b\u202e.example", "Ü@b\u202e.example")]
    [InlineData("helo_name", "bücher.example", Ascii)]
    [InlineData("queue_id", "ü@ü", "ü@ü")]
    public void Key_without_a_template_is_the_attribute_but_for_a_domain_beyond_ascii(string attribute, string value, string key) =>
        Assert.Equal(
            key, KeyTemplate.ValueOf(PolicyRequestBuilder.AccessPolicy().Add(attribute, value).ToRequest(), attribute, AddressTags.Kept));

    private static PolicyUnderTest Of(ScriptedDnsServer server, string plugins) =>
        PolicyUnderTest.Of(
            $"policyd {{ dns {{ servers = [\"{server.Address}\"], timeout = 15s }}, virtual_hosts = [ {{ port = 12345, "
                + $"plugins = [ {plugins} ] }} ] }}");
}
