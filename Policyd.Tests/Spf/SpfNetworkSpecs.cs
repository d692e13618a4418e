using System.Net;
using Policyd.Backends.Dns;
using Policyd.Engine.Model;
using Policyd.Modules.Spf;
using Policyd.Plugins.Dns;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Spf;

/// <summary>SPF with the server's own resolver and a scripted DNS server.</summary>
public sealed class SpfNetworkSpecs
{
    // Of the request; a quarter of it stays for the answer, also on a busy machine.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(20);

    [SoakTest("waits for the deadline of a request of 20 s")]
    [Theory]
    [InlineData("Silence", "30s")]
    [InlineData("Silence", "300ms")]
    [InlineData("ServFail", "15s")]
    [InlineData("Malformed", "15s")]
    public async Task Policy_that_cannot_be_had_defers_within_the_deadline(string fault, string timeout)
    {
        await using var server = new ScriptedDnsServer { Fault = Enum.Parse<DnsFault>(fault) };
        Assert.StartsWith(
            "defer spf mfrom check failed: ", await AskAsync(server, timeout, s_timeout, "a@sender.test"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_within_a_policy_is_a_temporary_error_too()
    {
        await using var server = new ScriptedDnsServer().Txt("sender.test", "v=spf1 include:away.test -all")
            .With(DnsFault.Silence, "away.test");
        Assert.StartsWith(
            "defer spf mfrom check failed: ", await AskAsync(server, "300ms", s_timeout, "a@sender.test"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_of_several_strings_in_a_long_answer_is_read_whole()
    {
        var networks = Enumerable.Range(0, 100).Select(number => $"ip4:10.0.{number}.0/24 ").ToArray();
        await using var server = new ScriptedDnsServer { Fault = DnsFault.Truncate }.Txt(
            "sender.test", ["v=spf1 ", .. networks, "ip4:192.0.", "2.7 -all"]);
        Assert.Equal("dunno", await AskAsync(server, "15s", s_timeout, "a@sender.test"));
        Assert.True(server.TcpQueries > 0);
    }

    [SoakTest("waits for a lookup that times out after 2 s")]
    [Theory]
    [InlineData("mx")]
    [InlineData("ptr")]
    public async Task Names_of_one_term_are_looked_up_together(string mechanism)
    {
        await using var server = new ScriptedDnsServer().Txt("sender.test", $"v=spf1 {mechanism} -all");
        for (var number = 1; number <= 10; number++)
        {
            server.Mx("sender.test", number, $"m{number}.sender.test").Ptr("7.2.0.192.in-addr.arpa", $"m{number}.sender.test")
                .A($"m{number}.sender.test", number == 10 ? "192.0.2.7" : "192.0.2.1")
                    .With(DnsFault.Silence, number == 9 ? "m9.sender.test" : "none");
        }

        await using var resolver = Resolver(server, "2s");
        var evaluator = new SpfEvaluator(resolver, new SpfSettings(), TimeProvider.System);
        var outcome = await evaluator.CheckAsync(
            new SpfRequest(IPAddress.Parse("192.0.2.7"), "sender.test", "a@sender.test", ""), TestContext.Current.CancellationToken);

        // Of an mx the silent name comes before the one that matches; of a ptr it is left out.
        Assert.Equal(mechanism == "mx" ? SpfVerdict.TempError : SpfVerdict.Pass, outcome.Verdict);
        Assert.Equal(1, server.CountOf("m10.sender.test"));
    }

    [Theory]
    [InlineData("a mx include:inc.test", SpfVerdict.Pass)]
    [InlineData("mx ip6:2001:db8:2::/48", SpfVerdict.Pass)]
    [InlineData("ptr mx ip6:2001:db8:2::/48", SpfVerdict.Pass)]
    [InlineData("mx mx ip6:2001:db8:2::/48", SpfVerdict.Pass)]
    [InlineData("a mx ptr ip6:2001:db8:2::/48", SpfVerdict.PermError)]
    [InlineData("mx mx mx ip6:2001:db8:2::/48", SpfVerdict.PermError)]
    [InlineData("exists:%{p}.void.test include:inc.test", SpfVerdict.Pass)]
    [InlineData("a:a..b.test a:%{l}.test mx:%{l}.test exists:%{l}.test include:inc.test", SpfVerdict.Pass)]
    internal async Task Void_lookups_count_once_a_term(string policy, SpfVerdict verdict)
    {
        // No host has an address of the client's kind: each lookup of one finds nothing.
        await using var server = new ScriptedDnsServer().Txt("sender.test", $"v=spf1 {policy} -all")
            .A("sender.test", "198.51.100.60")
            .Txt("inc.test", "v=spf1 ip6:2001:db8:2::/48 -all");
        for (var number = 1; number <= 3; number++)
        {
            server.Mx("sender.test", number, $"m{number}.sender.test").A($"m{number}.sender.test", $"198.51.100.{number}")
                .Ptr("9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", $"m{number}.sender.test");
        }

        // As a local part, a label that no name can have: what cannot be asked for is no lookup.
        var request = new SpfRequest(IPAddress.Parse("2001:db8:2::9"), "sender.test", new string('x', 64) + "@sender.test", "");
        await using var resolver = Resolver(server, "15s");
        var outcome = await new SpfEvaluator(resolver, new SpfSettings(), TimeProvider.System).CheckAsync(
            request, TestContext.Current.CancellationToken);
        Assert.True(verdict == outcome.Verdict, $"{outcome.Verdict}: {outcome.Reason}");
    }

    [Theory]
    [InlineData("sender=a b%c@sender.test", "a b%c.l.test")]
    [InlineData("sender=back\\slash@sender.test", "back\\slash.l.test")]
    [InlineData("sender=\xff\xfe(@sender.test", "\u00ff\u00fe(.l.test")]
    [InlineData("sender=ü\u0001@sender.test", "\u00c3\u00bc\u0001.l.test")]
    public async Task Name_with_any_byte_is_asked_for_as_it_came(string attribute, string asked)
    {
        await using var server = new ScriptedDnsServer().Txt("sender.test", "v=spf1 exists:%{l}.l.test -all").A(asked, "127.0.0.2");
        await using var resolver = Resolver(server, "15s");
        await using var policy = PolicyUnderTest.Of(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ { name = spf, module = SPF, pass_mode = "
                + "accept, pass_score = 1 } ] } ] }", new ModelEnvironment { Dns = resolver });

        // Half of these are no UTF-8: each character is a byte, but for the ü.
        var bytes = attribute.Contains('ü', StringComparison.Ordinal)
            ? System.Text.Encoding.UTF8.GetBytes(attribute)
            : System.Text.Encoding.Latin1.GetBytes(attribute);
        Assert.Equal("dunno", await policy.AskRawAsync(
            [.. "request=smtpd_access_policy\nclient_address=192.0.2.7\ninstance=1.1\n"u8, .. bytes, .. "\n\n"u8]));
        Assert.Equal("1", policy.Session["score"]);
        Assert.Equal(1, server.CountOf(asked));
    }

    private static DnsResolver Resolver(ScriptedDnsServer server, string timeout) => new(
        new DnsOptions
        {
            Servers = [server.Address],
            Timeout = timeout.EndsWith("ms", StringComparison.Ordinal)
            ? TimeSpan.FromMilliseconds(300)
            : TimeSpan.FromSeconds(int.Parse(timeout[..^1], System.Globalization.CultureInfo.InvariantCulture))
        },
        TimeProvider.System,
        new LogCapture().CreateLogger("dns"));

    private static async Task<string?> AskAsync(ScriptedDnsServer server, string dnsTimeout, TimeSpan timeout, string sender)
    {
        await using var resolver = Resolver(server, dnsTimeout);
        await using var policy = PolicyUnderTest.Of(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ { name = spf, module = SPF } ] } ] }",
            new ModelEnvironment { Dns = resolver });
        policy.Timeout = timeout;
        var answer = await policy.AskAsync(("sender", sender));
        Assert.Null(policy.Last.Failure);
        return answer ?? "dunno";
    }
}
