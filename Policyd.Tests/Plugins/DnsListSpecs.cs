using System.Diagnostics;
using Policyd.Engine.Model;
using Policyd.Modules.DnsLists;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>RBL, RBLAction and DBL with a scripted server, and that the lists of a chain are asked together.</summary>
public sealed class DnsListSpecs(ITestOutputHelper output)
{
    private const string Zen = """
        { name = zen, module = RBL, domain = zen.test, mode = passive }
        { name = sbl, module = RBLAction, result_from = zen, re_match = "^127\\.0\\.0\\.[23]$", mode = passive, score = 5 }
        { name = xbl, module = RBLAction, result_from = zen, re_match = "^127\\.0\\.0\\.[4-7]$", mode = passive, score = 5 }
        { name = pbl, module = RBLAction, result_from = zen, re_match = "^127\\.0\\.0\\.1[01]$", mode = passive, score = 3 }
        { name = dbl, module = DBL, domain = dbl.test, sender_mode = passive, reverse_client_name_mode = passive }
        { name = tag, module = AddScoreHeader }
        """;

    [Fact]
    public async Task Default_chain_of_the_original_without_a_listing_says_no()
    {
        await using var server = new ScriptedDnsServer();
        await using var policy = new Host(server, Zen);
        Assert.Equal("PREPEND X-MtScore: NO score=0", await policy.AskAsync("192.0.2.7"));
    }

    [Theory]
    [InlineData("127.0.0.2", "YES score=5 [sbl=5]")]
    [InlineData("127.0.0.4", "YES score=5 [xbl=5]")]
    [InlineData("127.0.0.10", "NO score=3 [pbl=3]")]
    [InlineData("127.0.0.9", "NO score=0")]
    [InlineData("127.255.255.254", "NO score=0")]
    [InlineData("192.0.2.99", "NO score=0")]
    public async Task Spamhaus_lists_score_by_the_kind_of_listing(string answer, string expected)
    {
        await using var server = new ScriptedDnsServer().A("7.2.0.192.zen.test", answer).Txt("7.2.0.192.zen.test", "listed");
        await using var policy = new Host(server, Zen);
        Assert.Equal("PREPEND X-MtScore: " + expected, await policy.AskAsync("192.0.2.7"));
        Assert.Equal("dunno", await policy.AskAsync("192.0.2.7"));
        Assert.Equal(1, server.CountOf("7.2.0.192.zen.test", 1));
    }

    [Fact]
    public async Task Names_are_looked_up_each_with_its_score()
    {
        await using var server = new ScriptedDnsServer().A("bad.example.dbl.test", "127.0.1.2")
            .A("rdns.example.dbl.test", "127.0.1.2")
            .A("helo.example.dbl.test", "127.0.1.2");
        await using var policy = new Host(server, Zen);
        Assert.Equal(
            "PREPEND X-MtScore: YES score=8.5 [dbl-sender=5, dbl-reverse_client_name=2.5, dbl-helo_name=1]",
            await policy.AskAsync(
                "192.0.2.7", ("sender", "a@bad.example"), ("reverse_client_name", "rdns.example"), ("helo_name", "helo.example")));
    }

    [Theory]
    [InlineData("sender", "a@bad.example", "reject sender rejected (bad.example, why)")]
    [InlineData("reverse_client_name", "bad.example", "reject reverse_client_name rejected (bad.example, why)")]
    [InlineData("helo_name", "bad.example", "dunno")]
    [InlineData("sender", "", "dunno")]
    [InlineData("reverse_client_name", "unknown", "dunno")]
    [InlineData("helo_name", "[192.0.2.1]", "dunno")]
    public async Task Dbl_answers_as_its_modes_say(string attribute, string value, string expected)
    {
        await using var server = new ScriptedDnsServer().A("bad.example.dbl.test", "127.0.1.2").Txt("bad.example.dbl.test", "why");
        await using var policy = new Host(server, "{ name = dbl, module = DBL, domain = dbl.test }");
        Assert.Equal(expected, await policy.AskAsync("192.0.2.7", (attribute, value)) ?? "dunno");
    }

    [Theory]
    [InlineData("gesperrt f\u00c3\u00bcr immer", "gesperrt f\u00fcr immer")]
    [InlineData("gesperrt f\u00fcr immer", "gesperrt f\u00fcr immer")]
    public async Task Reason_is_shown_as_the_list_wrote_it_in_utf8_or_latin1(string bytes, string shown)
    {
        await using var server = new ScriptedDnsServer().A("7.2.0.192.bl.test", "127.0.0.2").Txt("7.2.0.192.bl.test", bytes);
        await using var policy = new Host(server, "{ name = bl, module = RBL, domain = bl.test }");
        Assert.Equal($"reject delivery from 192.0.2.7 rejected ({shown})", await policy.AskAsync("192.0.2.7"));
    }

    [Theory]
    [InlineData("192.0.2.7", "7.2.0.192.bl.test")]
    [InlineData("::ffff:192.0.2.7", "7.2.0.192.bl.test")]
    [InlineData("2001:db8::25", "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test")]
    public async Task Rbl_rejects_a_listed_address(string address, string name)
    {
        await using var server = new ScriptedDnsServer().A(name, "127.0.0.2").Txt(name, "see http://bl.test/");
        await using var policy = new Host(server, "{ name = bl, module = RBL, domain = bl.test }");
        Assert.Equal($"reject delivery from {address} rejected (see http://bl.test/)", await policy.AskAsync(address));
    }

    [Fact]
    public async Task White_list_ends_the_chain()
    {
        await using var server = new ScriptedDnsServer().A("7.2.0.192.wl.test", "127.0.5.1");
        await using var policy = new Host(
            server,
            "{ name = wl, module = RBL, domain = wl.test, mode = accept }, { name = no, module = Action, action = \"reject never\" }");
        Assert.Equal("dunno", await policy.AskAsync("192.0.2.7"));
        Assert.Equal("reject never", await policy.AskAsync("no address", instance: "2"));
    }

    [Fact]
    public async Task Disabled_plugin_asks_nothing()
    {
        await using var server = new ScriptedDnsServer();
        await using var policy = new Host(
            server,
            "{ name = bl, module = RBL, domain = bl.test, enabled = off }, { name = d, module = DBL, domain = dbl.test, enabled = off }");
        await policy.AskAsync("192.0.2.7", ("sender", "a@bad.example"));
        Assert.Equal(0, server.Queries);
    }

    [Fact]
    public async Task Eight_lists_are_asked_together_and_the_second_time_not_at_all()
    {
        await using var server = new ScriptedDnsServer();
        var lists = string.Join('\n', Enumerable.Range(1, 8)
            .Select(number => $"{{ name = l{number}, module = RBL, domain = l{number}.test, mode = passive, score = 1 }}"));
        await using var policy = new Host(server, lists + "\n{ name = tag, module = AddScoreHeader }");
        server.Hold();
        var asking = policy.AskAsync("192.0.2.7");
        // No answer has been sent yet: all eight questions are there only if none waited for another.
        await Eventually.Holds("all eight questions", () => server.Names.Distinct().Count() == 8);
        server.Release();
        Assert.Equal("PREPEND X-MtScore: NO score=0", await asking);

        server.Delay = TimeSpan.FromMilliseconds(100);
        var first = Stopwatch.StartNew();
        await policy.AskAsync("192.0.2.8", instance: "2");
        first.Stop();
        var sent = server.Queries;
        var second = Stopwatch.StartNew();
        Assert.Equal("PREPEND X-MtScore: NO score=0", await policy.AskAsync("192.0.2.8", instance: "3"));
        second.Stop();
        Assert.Equal(sent, server.Queries);
        Summary.Line(
            output,
            $"dns: eight lists of 100 ms each: {first.Elapsed.TotalMilliseconds:F0} ms the first time, "
                + $"{second.Elapsed.TotalMilliseconds:F2} ms from the cache");
    }

    [Theory]
    [InlineData("mode = passive", 0)]
    [InlineData("mode = accept", 0)]
    [InlineData("mode = reject", 1)]
    [InlineData("mode = passive, uc_mode = other_mode", 1)]
    [InlineData("""mode = reject, reject_message = "no %IP%" """, 0)]
    [InlineData("""mode = passive }, { name = act, module = RBLAction, result_from = bl, answers = ["127.0.0.2"] """, 1)]
    [InlineData("""mode = passive }, { name = act, module = RBLAction, result_from = bl, answers = ["127.0.0.2"], mode = passive """, 0)]
    public async Task The_text_of_an_rbl_is_asked_for_only_where_a_message_may_show_it(string options, int questions)
    {
        await using var server = new ScriptedDnsServer().A("7.2.0.192.bl.test", "127.0.0.2").Txt("7.2.0.192.bl.test", "why");
        await using var policy = new Host(server, $"{{ name = bl, module = RBL, domain = bl.test, {options} }}");
        var answer = await policy.AskAsync("192.0.2.7");
        Assert.Equal(questions, server.CountOf("7.2.0.192.bl.test", 16));
        Assert.Equal(1, server.CountOf("7.2.0.192.bl.test", 1));
        if (answer?.StartsWith("reject", StringComparison.Ordinal) == true)
        {
            Assert.Equal(questions == 1 ? "reject delivery from 192.0.2.7 rejected (why)" : "reject no 192.0.2.7", answer);
        }
    }

    [Theory]
    [InlineData("", "bad.example", "other.example", 1, 0)]
    [InlineData("", "same.example", "same.example", 1, 1)]
    [InlineData("sender_mode = passive, reverse_client_name_mode = passive", "bad.example", "other.example", 0, 0)]
    [InlineData("helo_name_mode = reject", "fine.test", "other.example", 0, 1)]
    [InlineData("""reject_message = "no %HOSTNAME%" """, "bad.example", "other.example", 0, 0)]
    public async Task The_text_of_a_dbl_is_asked_for_only_where_a_message_may_show_it(
        string options, string sender, string helo, int ofSender, int ofHelo)
    {
        await using var server = new ScriptedDnsServer();
        foreach (var name in new[] { "bad.example", "other.example", "same.example" })
        {
            server.A(name + ".dbl.test", "127.0.1.2").Txt(name + ".dbl.test", "why");
        }

        await using var policy = new Host(server, $"{{ name = dbl, module = DBL, domain = dbl.test, {options} }}");
        var answer = await policy.AskAsync("192.0.2.7", ("sender", "a@" + sender), ("helo_name", helo));
        Assert.Equal((ofSender, ofHelo), (server.CountOf(sender + ".dbl.test", 16), server.CountOf(helo + ".dbl.test", 16)));
        if (answer?.Contains("rejected", StringComparison.Ordinal) == true)
        {
            Assert.Contains(", why)", answer, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Eight_passive_lists_that_know_the_client_are_asked_once_each()
    {
        await using var server = new ScriptedDnsServer();
        var lists = string.Join('\n', Enumerable.Range(1, 8).Select(number =>
        {
            server.A($"7.2.0.192.l{number}.test", "127.0.0.2").Txt($"7.2.0.192.l{number}.test", "why");
            return $"{{ name = l{number}, module = RBL, domain = l{number}.test, mode = passive, score = 1 }}";
        }));
        await using var policy = new Host(server, lists + "\n{ name = tag, module = AddScoreHeader }");
        server.Delay = TimeSpan.FromMilliseconds(100);
        var asking = Stopwatch.StartNew();
        Assert.StartsWith("PREPEND X-MtScore: YES score=8", await policy.AskAsync("192.0.2.7"), StringComparison.Ordinal);
        asking.Stop();
        Assert.Equal(8, server.Queries);
        Summary.Line(output, $"dns: eight passive lists of 100 ms each that know the client: {asking.Elapsed.TotalMilliseconds:F0} ms");
    }

    [SoakTest("waits for the deadline of a request of 5 s")]
    [Fact]
    public async Task Silent_server_delays_the_answer_and_does_not_change_it()
    {
        await using var server = new ScriptedDnsServer { Fault = DnsFault.Silence };
        await using var policy = new Host(server, Zen, "timeout = 300ms");
        var waited = Stopwatch.StartNew();
        Assert.Equal(
            "PREPEND X-MtScore: NO score=0",
            await policy.AskAsync("192.0.2.7", ("sender", "a@bad.example"), ("helo_name", "helo.example")));
        Summary.Line(output, $"dns: a silent server, time-out 300 ms, four lookups: {waited.Elapsed.TotalMilliseconds:F0} ms");

        // A request with less time than the resolver takes has its answer all the same.
        await using var hurried = new Host(server, Zen, "timeout = 30s") { Timeout = TimeSpan.FromSeconds(5) };
        waited.Restart();
        Assert.Equal("PREPEND X-MtScore: NO score=0", await hurried.AskAsync("192.0.2.7"));
        Summary.Line(output, $"dns: a silent server, time-out 30 s, a request of 5 s: {waited.Elapsed.TotalMilliseconds:F0} ms");
    }

    [ServerTest]
    [Fact]
    public async Task Real_server_is_understood()
    {
        var port = FreePort.Next();
        await using var dnsmasq = ProcessUnderTest.Start(
            Needs.Program("dnsmasq"),
            [
                "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--no-resolv", "--no-hosts", "--pid-file=",
                "--listen-address=127.0.0.1", "--bind-interfaces", $"--port={port}", "--local=/test/",
                "--host-record=7.2.0.192.bl.test,127.0.0.2", "--txt-record=7.2.0.192.bl.test,ask us"
            ]);
        await dnsmasq.Listens("dnsmasq", port);
        await using var policy = new Host(
            $"127.0.0.1:{port}", "{ name = bl, module = RBL, domain = bl.test }, { name = tag, module = AddScoreHeader }", "timeout = 15s");

        Assert.Equal("reject delivery from 192.0.2.7 rejected (ask us)", await policy.AskAsync("192.0.2.7"));
        Assert.Equal("PREPEND X-MtScore: NO score=0", await policy.AskAsync("192.0.2.8", instance: "2"));
    }

    [Fact]
    public async Task What_a_list_says_is_kept_as_far_as_it_can_be_shown()
    {
        await using var server = new ScriptedDnsServer().A("7.2.0.192.bl.test", "127.0.0.2")
            .Txt("7.2.0.192.bl.test", [.. Enumerable.Repeat(new string('x', 250), 200)]);
        await using var policy = new Host(server, "{ name = bl, module = RBL, domain = bl.test }");
        Assert.StartsWith("reject delivery from 192.0.2.7 rejected (xxx", await policy.AskAsync("192.0.2.7"), StringComparison.Ordinal);
        Assert.Equal(512, new ListResult(["127.0.0.2"], new string('x', 50_000)).Info.Length);
    }

    [Fact]
    public async Task Backslash_of_a_stranger_leads_to_no_name_beside_the_list()
    {
        await using var server = new ScriptedDnsServer().A("a.x.dbl.test", "127.0.1.2").A("a.x.y.dbl.test", "127.0.1.2");
        await using var policy = new Host(
            server, "{ name = dbl, module = DBL, domain = dbl.test, helo_name_mode = reject }, { name = tag, module = AddScoreHeader }");
        Assert.Equal(
            "PREPEND X-MtScore: NO score=0", await policy.AskAsync("192.0.2.7", ("sender", "a@a.x\\"), ("helo_name", "a.x\\046y")));
        Assert.DoesNotContain("a.x.dbl.test", server.Names);
        Assert.DoesNotContain("a.x.y.dbl.test", server.Names);
    }

    private sealed class Host : IAsyncDisposable
    {
        private readonly PolicyServerModel _model;
        private readonly Dictionary<string, Session> _sessions = [];

        public Host(ScriptedDnsServer server, string plugins, string dns = "timeout = 15s")
            : this(server.Address, plugins, dns)
        {
        }

        public Host(string server, string plugins, string dns)
        {
            var hocon =
                $"policyd {{ dns {{ servers = [\"{server}\"], {dns} }}, virtual_hosts = [ {{ port = 12345, plugins = [ {plugins} ] }} ] }}";
            _model = PolicyUnderTest.Build(hocon, out var diagnostics)
                ?? throw new InvalidOperationException(string.Join('\n', diagnostics.All));
        }

        public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

        public Task<string?> AskAsync(string address, params (string Name, string Value)[] attributes) =>
            AskAsync(address, "1", attributes);

        public async Task<string?> AskAsync(string address, string instance, params (string Name, string Value)[] attributes)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("instance", instance).Add("client_address", address);
            foreach (var (name, value) in attributes)
            {
                request.Add(name, value);
            }

            var outcome = await _model.VirtualHosts[0].RunAsync(
                request.ToRequest(), _sessions.GetValueOrDefault(instance) ?? new Session(), Timeout);
            Assert.Null(outcome.Failure);
            _sessions[instance] = outcome.Session;
            return outcome.Action;
        }

        public ValueTask DisposeAsync() => _model.ServerConnections.DisposeAsync();
    }
}
