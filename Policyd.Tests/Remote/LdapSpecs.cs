using System.Formats.Asn1;
using System.Globalization;
using System.Text;
using CsCheck;
using Policyd.Backends.Ldap;
using Policyd.Engine.Model;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Counters;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>LdapUserConfig against a real slapd, and against servers that are none.</summary>
public sealed class LdapSpecs
{
    [ServerTest]
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Settings_of_the_one_entry_are_set(bool starttls, bool binds)
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, (starttls
            ? $"ca_file = \"{slapd.CaFile}\", "
            : "starttls = 0, ") + (binds ? $"binddn = \"{SlapdServer.Reader}\", password = {SlapdServer.Password}" : ""));
        Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        Assert.Equal("10000", policy.Value.Session["employeenumber"]);
        Assert.Equal("Grüße", policy.Value.Session["description"]);
        Assert.Null(policy.Value.Session["telephoneNumber"]);
    }

    [ServerTest]
    [Theory]
    [InlineData("nobody", "no entry for nobody")]
    [InlineData("*", "no entry for *")]
    [InlineData("alice)(uid=*", "no entry for alice)(uid=*")]
    [InlineData("", "sasl_username is empty")]
    public async Task No_entry_is_logged_and_the_chain_goes_on(string user, string line)
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, "starttls = 0");
        Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", user)));
        Assert.Equal(0, policy.Value.Session.Count);
        Assert.NotEmpty(policy.Value.Log.Containing(line));
    }

    [ServerTest]
    [Fact]
    public async Task Two_entries_are_none()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, "starttls = 0", filter: "(sn=%s)");
        await policy.Value.AskAsync(("sasl_username", "Twin"));
        Assert.Equal(0, policy.Value.Session.Count);
        Assert.NotEmpty(policy.Value.Log.Containing("several entries for Twin"));
    }

    [ServerTest]
    [Fact]
    public async Task Escaped_value_finds_what_holds_brackets_and_stars()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, "starttls = 0", filter: "(&(objectClass=*)(|(cn=%s)(uid=%s))(!(mail=alice*)))");
        await policy.Value.AskAsync(("sasl_username", "Bob (the *)"));
        Assert.Equal("5", policy.Value.Session["employeenumber"]);
    }

    [ServerTest]
    [Fact]
    public async Task Bind_shows_what_is_hidden_from_others()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var anonymous = Policy(slapd.Port, "starttls = 0");
        await anonymous.Value.AskAsync(("sasl_username", "carol"));
        Assert.Equal(0, anonymous.Value.Session.Count);
        await using var bound = Policy(slapd.Port, $"starttls = 0, binddn = \"{SlapdServer.Reader}\", password = {SlapdServer.Password}");
        await bound.Value.AskAsync(("sasl_username", "carol"));
        Assert.Equal("7", bound.Value.Session["employeenumber"]);
    }

    [ServerTest]
    [Fact]
    public async Task Wrong_password_is_logged_once_and_never_shown()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, $"starttls = 0, binddn = \"{SlapdServer.Reader}\", password = hunter2");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        }

        Assert.Equal(0, policy.Value.Session.Count);
        Assert.Single(
            policy.Value.Log.Containing("connection ldap: "),
            line => line.Contains("refuses the bind as cn=reader,dc=example,dc=org: result 49", StringComparison.Ordinal));
        Assert.Empty(policy.Value.Log.Containing("hunter2"));
    }

    [ServerTest]
    [Fact]
    public async Task Certificate_of_an_unknown_authority_is_refused()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, "");
        Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        Assert.Equal(0, policy.Value.Session.Count);
        Assert.NotEmpty(policy.Value.Log.Containing("TLS: "));
    }

    [ServerTest]
    [Fact]
    public async Task Server_without_tls_is_not_asked_in_the_clear()
    {
        await using var slapd = await SlapdServer.StartNew(withTls: false);
        await using var policy = Policy(slapd.Port, $"binddn = \"{SlapdServer.Reader}\", password = {SlapdServer.Password}");
        Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        Assert.Equal(0, policy.Value.Session.Count);
        Assert.NotEmpty(policy.Value.Log.Containing("refuses StartTLS"));
    }

    [ServerTest]
    [Fact]
    public async Task Killed_and_restarted_under_load_leaves_no_request_without_an_answer()
    {
        await using var slapd = await SlapdServer.StartNew();
        await using var policy = Policy(slapd.Port, $"ca_file = \"{slapd.CaFile}\"");
        await policy.Value.AskAsync(("sasl_username", "alice"));
        using var stop = new CancellationTokenSource();
        var askers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var answers = 0;
            while (!stop.IsCancellationRequested)
            {
                var request = PolicyRequestBuilder.AccessPolicy().Add("sasl_username", "alice").ToRequest();
                Assert.Equal(
                    "dunno", (await policy.Value.Model.VirtualHosts[0].RunAsync(request, new Session(), Eventually.Timeout)).Action);
                answers++;
                await Task.Delay(2);
            }

            return answers;
        })).ToList();
        await slapd.Kill();
        await Eventually.Holds("a line that the directory is unavailable", () => policy.Value.Log.Containing("connection ldap: ").Any());
        await slapd.Start();
        await Eventually.Holds("answers from the directory again", () => policy.Value.Log.Containing("answers again").Any());
        await stop.CancelAsync();
        var answered = await Eventually.Ends("the askers", Task.WhenAll(askers));
        Assert.All(answered, count => Assert.True(count > 0));
    }

    public static TheoryData<string, bool> BadServers => new()
    {
        { "", false },
        { "", true },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", true },
        { "0", false },
        { "0\u0084\u00ff\u00ff\u00ff\u00ff", false },
        { "0\u0080\u0000\u0000", false },
        { "0\u0003\u0002\u0001\u0001", false },
        { "0\u000c\u0002\u0001\u0001e\u0007\n\u0001\u0000\u0004\u0000", false },
        { "0\u000c\u0002\u0001\u0007e\u0007\n\u0001\u0000\u0004\u0000\u0004\u0000", false },
        { "0\u000c\u0002\u0001\u0001a\u0007\n\u0001\u0000\u0004\u0000\u0004\u0000", false },
        { "0\u0005\u0002\u0001\u0001d\u0000", false },
    };

    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Server_that_speaks_nonsense_or_nothing_costs_no_answer(string answer, bool closes)
    {
        await using var server = new OneAnswerServer(Encoding.Latin1.GetBytes(answer), closes);
        await Task.WhenAll(CostsNoAnswer("0"), CostsNoAnswer("1"));

        async Task CostsNoAnswer(string starttls)
        {
            await using var policy = Policy(server.Port, $"starttls = {starttls}, timeout = 1s");
            Assert.Equal("dunno", await Eventually.Ends("the answer", policy.Value.AskAsync(("sasl_username", "alice"))));
            Assert.NotEmpty(policy.Value.Log.Containing("connection ldap: "));
        }
    }

    [Fact]
    public async Task Endless_entries_end()
    {
        // Entries without attributes, for ever.
        var entry = Encoding.Latin1.GetBytes("0\u0009\u0002\u0001\u0001d\u0004\u0004\u00000\u0000");
        await using var server = new OneAnswerServer([.. Enumerable.Repeat(entry, 5000).SelectMany(bytes => bytes)]);
        await using var policy = Policy(server.Port, "starttls = 0");
        Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        Assert.NotEmpty(policy.Value.Log.Containing("more than 1000 messages"));
    }

    [Fact]
    public async Task Silent_server_is_not_asked_by_every_request()
    {
        await using var server = new OneAnswerServer([]);
        await using var policy = Policy(server.Port, "starttls = 0, timeout = 200ms");
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        }

        Assert.InRange(server.Connections, 1, 10);
    }

    [Fact]
    public async Task Connections_that_the_way_has_lost_cost_one_mail_its_time()
    {
        await using var server = new ForgettingServer(OneEntry);
        await using var policy = Policy(server.Port, "starttls = 0, timeout = 1s");
        server.Hold(most: 4);
        await Eventually.Ends("four searches", Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Ask(policy.Value))));
        Assert.Equal(4, server.Connections);
        server.Forget();
        Assert.Null((await Eventually.Ends("the answer", Ask(policy.Value)))["employeenumber"]);
        await Eventually.Holds("the entry", async () => (await Ask(policy.Value))["employeenumber"] == "5");
        Assert.Equal(1, server.Unanswered);
    }

    [Fact]
    public async Task Timeout_of_0_leaves_the_time_to_the_plugin()
    {
        await using var server = new ForgettingServer(OneEntry);
        await using var policy = Policy(server.Port, "starttls = 0, timeout = 0");
        Assert.Equal("5", (await Eventually.Ends("the answer", Ask(policy.Value)))["employeenumber"]);
    }

    [Fact]
    public async Task Connection_that_was_idle_for_a_minute_is_not_used_again()
    {
        var clock = new ManualClock();
        await using var server = new ForgettingServer(OneEntry);
        await using var policy = new Owned(PolicyUnderTest.Of(
            Configuration(server.Port, "starttls = 0", "(uid=%s)"), new ModelEnvironment { Clock = clock }));
        await Ask(policy.Value);
        await Ask(policy.Value);
        Assert.Equal(1, server.Connections);
        server.Forget();
        clock.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal("5", (await Eventually.Ends("the answer", Ask(policy.Value)))["employeenumber"]);
        Assert.Equal((2, 0), (server.Connections, server.Unanswered));
    }

    [Theory]
    [InlineData(51)]
    [InlineData(52)]
    public async Task Directory_that_cannot_answer_now_is_away(int code)
    {
        await using var server = new ForgettingServer(message => Done(message, code));
        await using var policy = Policy(server.Port, "starttls = 0");
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        }

        Assert.Single(policy.Value.Log.Containing($"the directory cannot answer now: result {code}"), IsOfConnection);
        Assert.Empty(policy.Value.Log.Containing("the search for alice failed"));
    }

    [Fact]
    public async Task Directory_that_refuses_all_searches_is_told_in_few_lines()
    {
        await using var server = new ForgettingServer(static message => Done(message, 50));
        await using var policy = Policy(server.Port, "starttls = 0");
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal("dunno", await policy.Value.AskAsync(("sasl_username", "alice")));
        }

        Assert.InRange(policy.Value.Log.Lines.Count(static line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning), 1, 6);
        Assert.NotEmpty(policy.Value.Log.Containing("the search for alice failed: result 50"));
    }

    [Fact]
    public async Task Search_that_finds_no_free_connection_in_time_is_told()
    {
        await using var server = new ForgettingServer(OneEntry);
        await using var policy = Policy(server.Port, "starttls = 0");
        server.Hold();
        var others = Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Ask(policy.Value)));
        await Eventually.Holds("16 searches", () => server.Waiting == 16);
        using var failures = new MetricListener("policyd.source.failures", ("source", "ldap"), ("connection", "ldap"));
        await Eventually.Ends("the answer", Ask(policy.Value, TimeSpan.FromMilliseconds(400)));
        Assert.Single(policy.Value.Log.Containing("since 16 other searches were under way"), IsOfConnection);
        Assert.True(failures.Sum >= 1);
        server.Release();
        Assert.All(await Eventually.Ends("the others", others), static session => Assert.Equal("5", session["employeenumber"]));
    }

    [Theory]
    [InlineData("a*b(c)d\\e\0f", "a\\2ab\\28c\\29d\\5ce\\00f")]
    [InlineData("grün@example", "grün@example")]
    public void Value_is_escaped_for_a_filter(string value, string escaped) => Assert.Equal(escaped, LdapFilter.Escape(value));

    [Fact]
    public void Escaped_value_comes_back_whatever_it_is() => Gen.String.Sample(value =>
    {
        var filter = new AsnReader(Encode($"(a={LdapFilter.Escape(value)})"), AsnEncodingRules.BER).ReadSequence(
            new Asn1Tag(TagClass.ContextSpecific, 3, true));
        filter.ReadOctetString();
        return Encoding.UTF8.GetString(filter.ReadOctetString()) == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value));
    });

    // The examples of RFC 4515, section 4, and the bytes of RFC 4511's grammar for them.
    [Theory]
    [InlineData("(cn=Babs)", "A30A0402636E040442616273")]
    [InlineData("(!(cn=T))", "A209A3070402636E040154")]
    [InlineData("(&(a=b)(c=*))", "A00BA306040161040162870163")]
    [InlineData("(c=***)", "870163")]
    [InlineData("(o=univ*of*mich*)", "A41504016F30108004756E697681026F6681046D696368")]
    [InlineData("(seeAlso=)", "A30B0407736565416C736F0400")]
    [InlineData("(cn:dn:2.4.8:=x)", "A9118105322E342E388202636E8301788401FF")]
    [InlineData("(a>=1)", "A506040161040131")]
    [InlineData("(a<=1)", "A606040161040131")]
    [InlineData("(a~=1)", "A806040161040131")]
    [InlineData("(bin=\\00\\01)", "A309040362696E04020001")]
    [InlineData("cn=Babs", "A30A0402636E040442616273")]
    [InlineData("!(cn=T)", "A209A3070402636E040154")]
    [InlineData("&(a=b)(c=*)", "A00BA306040161040162870163")]
    [InlineData("( & (a=b)\t (c=*) )", "A00BA306040161040162870163")]
    [InlineData("(! (cn=T) )", "A209A3070402636E040154")]
    [InlineData("(a=b )", "A30704016104026220")]
    public void Filter_becomes_its_bytes(string filter, string bytes) => Assert.Equal(bytes, Convert.ToHexString(Encode(filter)));

    [Theory]
    [InlineData("")]
    [InlineData("(")]
    [InlineData("a")]
    [InlineData("a=b)")]
    [InlineData("(a=b)(c=d)")]
    [InlineData("(a=b")]
    [InlineData("(a=b))")]
    [InlineData("(=b)")]
    [InlineData("(a)")]
    [InlineData("(a=\\4)")]
    [InlineData("(a=\\zz)")]
    [InlineData("(!(a=b)(c=d))")]
    [InlineData("(:=x)")]
    [InlineData("(a:x)")]
    public void What_is_no_filter_is_told(string filter) => Assert.Throws<FormatException>(() => Encode(filter));

    [Fact]
    public void Deeply_nested_filter_does_not_overflow() =>
        Assert.Throws<FormatException>(() => Encode(string.Concat(Enumerable.Repeat("(!", 100_000)) + "(a=b)"));

    [Theory]
    [InlineData("binddn = \"cn=a\"", "(uid=%s)", "binddn needs a password")]
    [InlineData("ca_file = \"/nonexistent.pem\"", "(uid=%s)", "ca_file: ")]
    [InlineData("ca_file = \"\"", "(uid=%s)", "ca_file: the path is empty")]
    [InlineData("starttls = 0", "uid=%s)", "is not a valid filter")]
    public void Mistake_in_the_options_is_told_at_start(string connection, string filter, string message)
    {
        PolicyUnderTest.Build(Configuration(389, connection, filter), out var diagnostics);
        Assert.Contains(diagnostics.All, diagnostic => diagnostic.Message.Contains(message, StringComparison.Ordinal));
    }

    // Net::LDAP, and so mtpolicyd, takes these.
    [Theory]
    [InlineData("ldap.example.org", "ldap.example.org", 389)]
    [InlineData("ldap.example.org:1389", "ldap.example.org", 1389)]
    [InlineData("ldap://ldap.example.org", "ldap.example.org", 389)]
    [InlineData("LDAP://ldap.example.org:1389/", "ldap.example.org", 1389)]
    [InlineData("192.0.2.1:1389", "192.0.2.1", 1389)]
    [InlineData("[2001:db8::1]:1389", "2001:db8::1", 1389)]
    [InlineData("2001:db8::1", "2001:db8::1", 389)]
    public void Host_may_have_a_port_and_a_scheme(string host, string connectsTo, int port)
    {
        var options = new LdapConnectionOptions { Host = host };
        Assert.Null(options.Check());
        Assert.Equal((connectsTo, port), (options.Host, options.Port));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("a b", "\"a b\" is not a valid host name")]
    [InlineData("a\nb", "is not a valid host name")]
    [InlineData("ldap://", "is empty")]
    [InlineData("ldap.example.org:0", "is not a valid host name")]
    [InlineData(":389", "is not a valid host name")]
    [InlineData("ldaps://ldap.example.org", "ldaps:// is not supported")]
    [InlineData("ldapi://%2ftmp%2fs", "ldapi:// is not supported")]
    public void Host_that_can_be_none_is_told(string host, string message)
    {
        var wrong = new LdapConnectionOptions { Host = host }.Check();
        Assert.StartsWith("host: ", wrong, StringComparison.Ordinal);
        Assert.Contains(message, wrong, StringComparison.Ordinal);
    }

    private static bool IsOfConnection(string line) => line.StartsWith("connection ldap: ", StringComparison.Ordinal);

    private static async Task<Session> Ask(PolicyUnderTest policy, TimeSpan? time = null)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("sasl_username", "alice").ToRequest();
        return (await policy.Model.VirtualHosts[0].RunAsync(request, new Session(), time ?? Eventually.Timeout)).Session;
    }

    private static byte[] OneEntry(byte[] search) =>
    [
        .. Message(search, "d\u001b\u0004\u00000\u00170\u0015\u0004\u000eemployeenumber1\u0003\u0004\u00015"),
        .. Done(search, LdapResult.Success)
    ];

    private static byte[] Done(byte[] search, int code) => Message(search, $"e\u0007\n\u0001{(char)code}\u0004\u0000\u0004\u0000");

    // The answer to a message has its id, a number below 128 here.
    private static byte[] Message(byte[] search, string operation)
    {
        var id = search[((search[1] & 0x80) == 0 ? 2 : 2 + (search[1] & 0x7f)) + 2];
        return [0x30, (byte)(3 + operation.Length), 2, 1, id, .. Encoding.Latin1.GetBytes(operation)];
    }

    private static byte[] Encode(string filter)
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        LdapFilter.Write(filter, writer);
        return writer.Encode();
    }

    private static string Configuration(int port, string connection, string filter) => string.Create(CultureInfo.InvariantCulture, $$"""
        policyd {
          connections { ldap { module = Ldap, host = "127.0.0.1", port = {{port}}, {{connection}} } }
          virtual_hosts = [ { name = test, port = 12345, plugins = [
            { name = limits, module = LdapUserConfig, basedn = "dc=example,dc=org", filter = "{{filter}}", config_fields = "employeenumber, description, telephoneNumber" } ] } ]
        }
        """);

    private static Owned Policy(int port, string connection, string filter = "(uid=%s)") =>
        new(PolicyUnderTest.Of(Configuration(port, connection, filter)));

    private sealed record Owned(PolicyUnderTest Value) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Value.Model.ServerConnections.DisposeAsync();
    }
}
