using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>RBL, RBLAction and DBL give mtpolicyd's answers when both ask the same DNS server.</summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameListAnswersSpecs(ITestOutputHelper output)
{
    private static readonly string s_user = DifferentialPlugins.LenientUser("sender", "lenient@listed.test");

    private const string Rejecting = """
        <Plugin white>
          module = "RBL"
          domain = "white.test"
          mode = "accept"
          score = -3
        </Plugin>
        <Plugin zen>
          module = "RBL"
          domain = "zen.test"
          mode = "passive"
        </Plugin>
        <Plugin sbl>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.[23]$"
          uc_mode = "user_mode"
          score = 5
        </Plugin>
        <Plugin pbl>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.1[01]$"
          reject_message = "dynamic %IP%: ask your provider %INFO%"
          uc_enabled = "user_off"
        </Plugin>
        <Plugin trusted>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.9$"
          mode = "accept"
        </Plugin>
        <Plugin black>
          module = "RBL"
          domain = "black.test"
          uc_mode = "user_mode"
          uc_enabled = "user_off"
        </Plugin>
        <Plugin names>
          module = "DBL"
          domain = "names.test"
          uc_sender_mode = "user_mode"
          uc_reverse_client_name_mode = "user_mode"
          helo_name_mode = "reject"
          uc_enabled = "user_off"
        </Plugin>
        <Plugin never>
          module = "DBL"
          domain = "names.test"
          enabled = "off"
        </Plugin>
        """ + "\n" + DifferentialPlugins.Tag;

    private const string Scoring = """
        <Plugin zen>
          module = "RBL"
          domain = "zen.test"
          mode = "passive"
        </Plugin>
        <Plugin sbl>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.[23]$"
          mode = "passive"
          score = 5
        </Plugin>
        <Plugin xbl>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.[4-7]$"
          mode = "passive"
          score = 5.5
        </Plugin>
        <Plugin pbl>
          module = "RBLAction"
          result_from = "zen"
          re_match = "^127\.0\.0\.1[01]$"
          mode = "passive"
          score = 3
        </Plugin>
        <Plugin black>
          module = "RBL"
          domain = "black.test"
          mode = "passive"
          score = 0.25
        </Plugin>
        <Plugin white>
          module = "RBL"
          domain = "white.test"
          mode = "passive"
          score = -10
        </Plugin>
        <Plugin names>
          module = "DBL"
          domain = "names.test"
          sender_mode = "passive"
          sender_score = 4
          reverse_client_name_mode = "passive"
          helo_name_mode = "passive"
        </Plugin>
        <Plugin refuse>
          module = "ScoreAction"
          threshold = 8
          action = "reject sender ip %IP% is blocked (score=%SCORE%%SCORE_DETAIL%)"
        </Plugin>
        """ + "\n" + DifferentialPlugins.Tag;

    private static readonly Dictionary<string, string[]> Attributes = new()
    {
        ["client_address"] = [
            "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.9", "192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.55",
            "192.0.2.66", "192.0.2.77", "192.0.2.88", "2001:db8::25", "2001:db8::26", "10.1.2.3"
        ],
        ["reverse_client_name"] = ["unknown", "client.listed.test", "mx.example.org", "localhost", "[192.0.2.1]", "away.test"],
        ["client_name"] = ["unknown", "mx.example.org"],
        ["helo_name"] = ["mx.example.org", "helo.listed.test", "localhost", "192.0.2.1", "[192.0.2.1]", "HELO.Listed.test", ""],
        ["sender"] = [
            "", "a@example.org", "a@example.org", "a@listed.test", "lenient@listed.test", "B@Listed.TEST", "a@bare.test", "postmaster"
        ],
        ["recipient"] = ["b@example.org", "c@example.org"],
    };

    [Theory]
    [InlineData("rejecting", "Memcached")]
    [InlineData("rejecting", "None")]
    [InlineData("scoring", "Memcached")]
    [InlineData("scoring", "None")]
    public async Task Both_servers_answer_the_same(string chain, string sessionCache)
    {
        await using var dns = Zones();
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"DNS lists {chain}, sessions {sessionCache}", chain == "rejecting" ? s_user + "\n" + Rejecting : Scoring)
            {
                Dns = dns,
                SessionCache = sessionCache,
                Attributes = Attributes,
                LeastAnswers = 8,
                Intended =
                [
                    new("RBL: an IPv6 client", (request, _, _) => request.ClientAddress == "2001:db8::25"),
                    new(
                        "RBL, RBLAction, DBL: an answer by which the list refuses, or outside 127.0.0.0/8",
                        (request, _, _) => request.ClientAddress == "192.0.2.66"),
                    chain == "rejecting"
                        ? new(
                            "what a list says, in reject messages",
                            (_, theirs, ours) => theirs.Replace("\"", "", StringComparison.Ordinal) == ours)
                        : new(
                            "RBLAction, a list with several addresses for a client",
                            (request, _, _) => request.ClientAddress == "192.0.2.88"),
                ],
            },
            output);
    }

    // 192.0.2.66 and .77 get what is no listing, .88 two kinds at once, .55 no answer from one list.
    private static ScriptedDnsServer Zones()
    {
        var dns = new ScriptedDnsServer()
            .With(DnsFault.ServFail, "55.2.0.192.black.test").With(DnsFault.ServFail, "away.test.names.test")
            .A("66.2.0.192.black.test", "192.0.2.99")
                .A("77.2.0.192.zen.test", "127.255.255.254")
                .Txt("77.2.0.192.zen.test", "query refused")
                .A("88.2.0.192.zen.test", "127.0.0.2").A("88.2.0.192.zen.test", "127.0.0.10")
                .A("1.2.0.192.black.test", "127.0.0.2").Txt("1.2.0.192.black.test", "listed").A("2.2.0.192.black.test", "127.0.0.3")
                .A("30.2.0.192.black.test", "127.0.0.2").Txt("30.2.0.192.black.test", "spam was seen, see http://list.test/30")
                .A("20.2.0.192.white.test", "127.0.10.3")
                    .A("bare.test.names.test", "127.0.1.2")
                    .A("listed.test.names.test", "127.0.1.2")
                    .Txt("listed.test.names.test", "phishing")
                    .A("client.listed.test.names.test", "127.0.1.4")
                        .A("helo.listed.test.names.test", "127.0.1.2")
                        .Txt("helo.listed.test.names.test", "botnet");
        foreach (var host in (int[])[2, 3, 4, 9, 10])
        {
            dns.A($"{host}.2.0.192.zen.test", $"127.0.0.{host}").Txt($"{host}.2.0.192.zen.test", $"http://zen.test/{host}");
        }

        const string V6 = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.";
        return dns.A(V6 + "zen.test", "127.0.0.2").A(V6 + "black.test", "127.0.0.2");
    }
}
