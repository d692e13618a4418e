using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// SPF gives mtpolicyd's answers when both ask the same DNS server: a scripted one, to which Net::DNS is led by its environment. The words
/// behind
/// <c>check failed:</c> are ours and are not compared; nor is what docs/differences.md lists.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameSpfAnswersSpecs(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string> s_policies = new()
    {
        ["pass.test"] = "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
        ["fail.test"] = "v=spf1 -all",
        ["soft.test"] = "v=spf1 ~all",
        ["neutral.test"] = "v=spf1 ?all",
        ["default.test"] = "v=spf1 ip4:203.0.113.1",
        ["explained.test"] = "v=spf1 -all exp=why.test",
        ["misexplained.test"] = "v=spf1 -all exp=wrongwhy.test",
        ["why.test"] = "%{c} is not %{d}, %{s} %{h} %{r} %{p} %{v}, see http://x/?%{S}",
        ["wrongwhy.test"] = "the %{x} files",
        ["redirected.test"] = "v=spf1 redirect=fail.test",
        ["including.test"] = "v=spf1 include:pass.test -all",
        ["nested.test"] = "v=spf1 include:including.test include:soft.test ?all",
        ["a.test"] = "v=spf1 a:client.test -all",
        ["mx.test"] = "v=spf1 mx:site.test -all",
        ["ptr.test"] = "v=spf1 ptr:in.client.test ptr:client.test -all",
        ["exists.test"] = "v=spf1 exists:%{ir}.%{l1r-}.list.test -all",
        ["macro.test"] = "v=spf1 -exists:%{i}.here.test include:%{d2} ~all",
        ["wrong.test"] = "v=spf1 foo:bar -all",
        ["wrongprefix.test"] = "v=spf1 a/33 -all",
        ["wrongend.test"] = "v=spf1 all a:",
        ["nowhere.test"] = "v=spf1 include:none.test -all",
        ["void.test"] = "v=spf1 a:x1.test a:x2.test a:x3.test -all",
        ["notvoid.test"] = "v=spf1 a:x1.test a:x2.test ~all",
        ["loop.test"] = "v=spf1 include:loop.test -all",
        ["away.test"] = "v=spf1 a:servfail.test -all",
        ["awaytoo.test"] = "v=spf1 include:servfail.test -all",
    };

    private static readonly string[] s_clients = [
        "192.0.2.7", "192.0.2.8", "198.51.100.7", "10.1.2.3", "127.0.0.1", "127.1.2.3", "2001:db8::25", "2001:db9::25", "::1", ""
    ];
    private static readonly string[] s_locals = ["a", "first.last", "one-two", "a b", "x+y"];

    [Theory]
    [InlineData("strict")]
    [InlineData("scores")]
    [InlineData("quiet")]
    public async Task Both_servers_answer_the_same(string chain)
    {
        await using var dns = Zone();
        string[] domains = [.. s_policies.Keys, "none.test", "servfail.test", "localhost", "[192.0.2.7]"];
        string[] senders = [.. from local in s_locals from domain in domains select $"{local}@{domain}"];

        // The original fails every bounce whose HELO it does not check.
        var bounces = chain == "scores" ? Enumerable.Repeat("", senders.Length / 7) : [];
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"SPF {chain}", Plugins(chain))
            {
                Dns = dns,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = s_clients,
                    ["helo_name"] = [.. domains, .. Enumerable.Repeat("none.test", domains.Length)],
                    ["sender"] = [.. senders, .. bounces],
                    ["recipient"] = ["a@example.org", "b@example.org", "c@example.org"],
                },
                Comparable = Comparable,
            },
            output);
    }

    private static ScriptedDnsServer Zone()
    {
        var dns = new ScriptedDnsServer().With(DnsFault.ServFail, "servfail.test")
            .A("client.test", "192.0.2.7")
                .Aaaa("client.test", "2001:db8::25")
                .Ptr("7.2.0.192.in-addr.arpa", "client.test")
                .Ptr("8.2.0.192.in-addr.arpa", "client.test")
                .Mx("site.test", 10, "mail.site.test")
                    .Mx("site.test", 20, "client.test")
                    .A("mail.site.test", "198.51.100.7")
                    .Aaaa("mail.site.test", "2001:db9::25")
                    .A("7.2.0.192.a.list.test", "127.0.0.2")
                        .A("7.100.51.198.one.list.test", "127.0.0.2")
                        .A("192.0.2.8.here.test", "127.0.0.2");
        foreach (var (name, policy) in s_policies)
        {
            dns.Txt(name, policy);
        }

        return dns;
    }

    // In one case: nibbles of an IPv6 address have another one there.
    private static string Comparable(string action)
    {
        var words = action.IndexOf("check failed: ", StringComparison.Ordinal);
        return (words < 0 ? action : action[..words]).ToLowerInvariant();
    }

    private static string Plugins(string chain)
    {
        var options = chain switch
        {
            "strict" => """
                reject_message = "no: %AUTH_EXPL%"
                softfail_mode = "passive"
                pass_mode = "accept"
                hostname = "mx.example.org"
                check_helo = "off"
                """,
            "scores" => """
                reject_message = "no"
                pass_score = -1
                softfail_score = 2
                fail_mode = "passive"
                fail_score = 4
                temperror_mode = "passive"
                temperror_score = 8
                permerror_mode = "passive"
                permerror_score = 16
                score_field = "trust"
                """,
            _ => """
                check_helo = "off"
                reject_message = "no"
                softfail_mode = "reject"
                temperror_mode = "dunno"
                permerror_mode = "dunno"
                whitelist = "10.1.9.9/16 198.51.100.7, 2001:db9::/32"
                """,
        };
        return $"""
            <Plugin spf>
              module = "SPF"
              {options}
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
              score_field = "trust"
            </Plugin>
            """;
    }
}
