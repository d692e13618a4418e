using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Decisions;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Api;
using Policyd.Plugins.Http;
using Policyd.Plugins.Services;
using Policyd.Plugins.Testing;
using Policyd.Tests.Counters;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>A third party's plugin that asks an HTTP server: one that answers, and one that is away in each of its ways.</summary>
public sealed class HttpServicesSpecs
{
    private static readonly ModelEnvironment s_environment = new() { Modules = ModuleRegistry.BuiltIn.With([typeof(HttpPlugin)]) };

    private readonly ManualClock _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_answer_is_read_and_what_the_server_does_not_know_is_nothing()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var policy = Policy(server.Port);
        policy.Depth = DecisionDepth.Facts;
        Assert.Equal("reject good", await policy.AskAsync(("client_name", "a/b c")));
        Assert.Contains(policy.Steps[0].Facts, static fact => (fact.Name, fact.Value, fact.Result) == ("url", "p", "answered 200"));
        Assert.StartsWith("GET /v1/a%2Fb%20c HTTP/1.1\r\n", server.Requests[0], StringComparison.Ordinal);
        Assert.Contains("User-Agent: policyd\r\n", server.Requests[0], StringComparison.Ordinal);
        server.Answer = ScriptedHttpServer.Says("{}", "404 Not Found");
        Assert.Equal("reject nothing", await policy.AskAsync());
        server.Answer = ScriptedHttpServer.Says("{ \"name\": \"bad\", \"SCORE\": \"7\" }");
        PluginOf(policy).Script = static async (http, context) =>
            (await http.GetJsonAsync<Verdict>(context, "x"))?.ToString() ?? "nothing";
        Assert.Equal("reject Verdict { Name = bad, Score = 7 }", await policy.AskAsync());
        Assert.Equal(1, server.Connections.Made);
    }

    [Theory]
    [InlineData("//127.0.0.2/x")]
    [InlineData("http://127.0.0.2/x")]
    [InlineData("https://127.0.0.1/x")]
    [InlineData("\\\\127.0.0.2\\x")]
    [InlineData("..")]
    [InlineData("a/../../x")]
    public async Task A_path_that_leads_away_is_asked_of_nobody(string path)
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var policy = Policy(server.Port);
        PluginOf(policy).Script = async (http, context) =>
        {
            var thrown = await Assert.ThrowsAsync<ArgumentException>(() => http.GetStringAsync(context, path).AsTask());
            Assert.StartsWith("the path leads away from the URL of url", thrown.Message, StringComparison.Ordinal);
            return "refused";
        };
        Assert.Equal("reject refused", await policy.AskAsync());
        Assert.Empty(server.Requests);
        PluginOf(policy).Script = static async (http, context) => await http.GetStringAsync(context, "/root?x=..") ?? "nothing";
        Assert.Equal("reject good", await policy.AskAsync());
    }

    [Fact]
    public async Task An_error_of_the_server_is_the_mails_alone_and_one_that_it_cannot_answer_is_everybodys()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("", "500 Oops"));
        await using var policy = Policy(server.Port);
        using var failures = new MetricListener("policyd.source.failures", ("source", "http"), ("connection", "p"));
        using var suppressed = new MetricListener("policyd.source.suppressed", ("source", "http"), ("connection", "p"));
        Assert.Equal("reject HttpRequestException: p: answered 500", await policy.AskAsync());
        Assert.Equal("reject HttpRequestException: p: answered 500", await policy.AskAsync());
        server.Answer = ScriptedHttpServer.Says("", "503 Busy");
        Assert.Equal("reject HttpAwayException: p: answered 503", await policy.AskAsync());
        Assert.Equal(3, server.Requests.Count);
        Assert.Equal("reject HttpAwayException: p is unavailable", await policy.AskAsync());
        Assert.Equal(3, server.Requests.Count);
        Assert.Single(policy.Log.Containing("test: plugin=p: http p: answered 503"));
        Assert.True(failures.Sum >= 2 && suppressed.Sum >= 1, $"{failures.Sum} failures, {suppressed.Sum} suppressed");
        server.Answer = ScriptedHttpServer.Says("good");
        _clock.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal("reject good", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("test: plugin=p: http p: answers again after 0.5 s; 2 calls went on without it"));
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_told_once_and_found_when_it_is_there()
    {
        var port = FreePort.Next();
        await using var policy = Policy(port);
        Assert.StartsWith("reject HttpAwayException: p: Connection refused", await policy.AskAsync(), StringComparison.Ordinal);
        for (var mail = 0; mail < 20; mail++)
        {
            Assert.StartsWith("reject HttpAwayException: p", await policy.AskAsync(), StringComparison.Ordinal);
        }

        Assert.Single(policy.Log.Containing("http p: Connection refused"));
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"), port);
        _clock.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal("reject good", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("http p: answers again after 0.5 s; 21 calls went on without it"));
    }

    [Theory]
    [InlineData("silent")]
    [InlineData("trickles")]
    public async Task A_server_that_does_not_come_to_an_end_costs_a_plugin_its_timeout_and_the_next_mail_nothing(string way)
    {
        await using var server = new ScriptedHttpServer(way == "silent" ? ScriptedHttpServer.Silence : ScriptedHttpServer.Trickle);
        await using var policy = Policy(server.Port, "timeout = 1800ms");
        var since = Stopwatch.StartNew();
        Assert.StartsWith("reject HttpAwayException: p: timed out after", await policy.AskAsync(), StringComparison.Ordinal);
        Assert.True(since.Elapsed > TimeSpan.FromMilliseconds(400), $"given up after {since.Elapsed}");
        Assert.Equal("reject HttpAwayException: p is unavailable", await policy.AskAsync());
        Assert.Single(server.Requests);
        Assert.Single(policy.Log.Containing("http p: timed out after"));
        await Eventually.Holds("the end of the connection", () => way == "silent" || server.Connections.Open == 0);
    }

    [Fact]
    public async Task A_client_of_the_author_without_the_plugins_time_ends_at_its_own()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Silence);
        await using var policy = Policy(server.Port, "most = 300ms");
        PluginOf(policy).Script = static async (http, _) => await http.Client.GetStringAsync("x", CancellationToken.None);
        Assert.StartsWith("reject HttpAwayException: p: timed out after 0.", await policy.AskAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_an_end_is_cut_and_does_not_take_the_server_from_other_mails()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Endless);
        await using var policy = Policy(server.Port);
        Assert.Equal("reject HttpRequestException: p: the answer is larger than 65536 bytes", await policy.AskAsync());
        await Eventually.Holds("the end of the connection", () => server.Connections.Open == 0);
        server.Answer = ScriptedHttpServer.Says("good");
        Assert.Equal("reject good", await policy.AskAsync());
        server.Answer = ScriptedHttpServer.Says(new string('x', 65_537));
        Assert.Equal("reject HttpRequestException: p: the answer is larger than 65536 bytes", await policy.AskAsync());
        Assert.Empty(policy.Log.Containing("http p:"));
    }

    [Fact]
    public async Task Broken_tls_is_an_absence_with_its_reason()
    {
        await using (var plain = new ScriptedHttpServer(ScriptedHttpServer.Silence))
        {
            await using var policy = Policy(plain.Port, scheme: "https");
            Assert.StartsWith("reject HttpAwayException: p: ", await policy.AskAsync(), StringComparison.Ordinal);
            Assert.DoesNotContain("inner exception", policy.Log.Containing("http p: ").Single(), StringComparison.Ordinal);
        }

        using var authority = new TestAuthority();
        var (certificate, key) = authority.Issue(["localhost"]);
        using var pair = X509Certificate2.CreateFromPem(certificate, key);
        using var usable = X509CertificateLoader.LoadPkcs12(pair.Export(X509ContentType.Pkcs12), null);
        await using var stranger = new AcceptLoop((socket, _) => HandshakeAsync(socket, usable));
        await using var strange = Policy(stranger.Port, scheme: "https");
        Assert.Contains("certificate", await strange.AskAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_followed_and_no_cookie_is_sent_back()
    {
        await using var elsewhere = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says(
            "", "302 Found", $"Location: http://127.0.0.1:{elsewhere.Port}/\r\nSet-Cookie: a=b\r\n"));
        await using var policy = Policy(server.Port);
        Assert.Equal("reject HttpRequestException: p: answered 302", await policy.AskAsync());
        Assert.Equal("reject HttpRequestException: p: answered 302", await policy.AskAsync());
        Assert.Empty(elsewhere.Requests);
        Assert.DoesNotContain("Cookie", server.Requests[1], StringComparison.OrdinalIgnoreCase);
        var sockets = PluginOf(policy).Sockets!;
        Assert.Equal(
            (false, false, false, DecompressionMethods.None),
            (sockets.UseProxy, sockets.UseCookies, sockets.AllowAutoRedirect, sockets.AutomaticDecompression));
        Assert.InRange(sockets.PooledConnectionLifetime, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task Connections_are_bounded_and_further_requests_wait_for_one()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedHttpServer(async (stream, stop) =>
        {
            await gate.Task;
            await ScriptedHttpServer.Says("good")(stream, stop);
        });
        await using var policy = Policy(server.Port);
        PluginOf(policy).Script = static async (http, context) =>
        {
            var all = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => http.GetStringAsync(context, "x").AsTask()));
            return $"{all.Count(static one => one == "good")}";
        };
        var answer = policy.AskAsync();
        await Eventually.Holds("as many connections as there may be", () => server.Connections.Open == 16);
        gate.SetResult();
        Assert.Equal("reject 40", await Eventually.Ends("an answer", answer));
        Assert.Equal(16, server.Connections.MostOpen);
    }

    [Fact]
    public async Task Connections_end_with_the_plugin()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var policy = Policy(server.Port);
        Assert.Equal("reject good", await policy.AskAsync());
        Assert.Equal(1, server.Connections.Open);
        await policy.Model.EndPluginsAsync();
        await Eventually.Holds("the end of the connection", () => server.Connections.Open == 0);
    }

    [Theory]
    [InlineData("ftp://127.0.0.1/", "url: this is not an http or https URL")]
    [InlineData("reputation.example.org", "url: this is not an http or https URL")]
    [InlineData("http://user:secret@127.0.0.1/", "url: a user name in the URL is not sent; use an option of its own for it")]
    public void What_is_no_url_is_an_error_at_its_place_without_the_url(string url, string expected)
    {
        Assert.Null(PolicyUnderTest.Build(
            $$"""
            policyd { virtual_hosts = [ { name = t, port = 12345, plugins = [ { name = p, module = Http,
              url = "{{url}}" } ] } ] }
            """,
            out var diagnostics,
            s_environment));
        var error = Assert.Single(diagnostics.All, static one => one.Severity == Severity.Error);
        Assert.Equal(($"plugin p: {expected}", 2, 9), (error.Message, error.Position.Line, error.Position.Column));
    }

    [Fact]
    public async Task A_replay_offline_asks_nobody()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var policy = PolicyUnderTest.Of(
            Configuration(server.Port, "", "http"),
            ReplayEnvironment.Create(new ReplayClock(), NullLoggerFactory.Instance, new FakeCounters(), isOffline: true) with
            {
                Modules = s_environment.Modules,
            });
        Assert.StartsWith("reject HttpAwayException: p: not asked", await policy.AskAsync(), StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task A_test_without_a_server_says_what_is_answered()
    {
        var clock = new SetClock();
        var test = PluginTest.For<HttpPlugin>("url = \"http://rep.example.org/v1\"", clock: clock);
        test.Fakes.Http.Answer(request => request.RequestUri!.AbsolutePath == "/v1/bad.example.org" ? "bad" : null);
        Assert.Equal("reject bad", (await test.RunAsync(("client_name", "bad.example.org"))).Action);
        Assert.Equal("reject nothing", (await test.RunAsync(("client_name", "x"))).Action);
        Assert.Equal(["GET http://rep.example.org/v1/bad.example.org", "GET http://rep.example.org/v1/x"], test.Fakes.Http.Asked);
        test.Fakes.Http.IsAway = true;
        Assert.Equal("reject HttpAwayException: Http: the test's server is away", (await test.RunAsync(("client_name", "x"))).Action);
        test.Fakes.Http.IsAway = false;
        clock.Now += TimeSpan.FromSeconds(1);
        Assert.Equal("reject bad", (await test.RunAsync(("client_name", "bad.example.org"))).Action);
    }

    [Fact]
    public async Task A_cron_task_asks_as_well_and_a_blocking_call_is_refused()
    {
        await using var server = new ScriptedHttpServer(ScriptedHttpServer.Says("good"));
        await using var policy = Policy(server.Port);
        var cron = new CronContext(new HashSet<string> { "daily" }, TimeProvider.System, NullLogger.Instance, Cancel);
        PluginOf(policy).Script = async (http, _) => await http.RunAsync(cron, static (client, ct) => client.GetStringAsync("feed", ct));
        Assert.Equal("reject good", await policy.AskAsync());
        PluginOf(policy).Script = static (http, _) =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "x");
            using var response = http.Client.Send(request, Cancel);
            return new("sent");
        };
        Assert.StartsWith("reject NotSupportedException", await policy.AskAsync(), StringComparison.Ordinal);
    }

    private static async Task HandshakeAsync(Socket socket, X509Certificate2 certificate)
    {
        await using var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsServerAsync(certificate);
            await stream.ReadExactlyAsync(new byte[1]);
        }
        catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client does not trust it.
        }
    }

    private static HttpPlugin PluginOf(PolicyUnderTest policy) => (HttpPlugin)policy.Model.VirtualHosts[0].Chain.Plugins[0];

    // Pauses end when the test says so.
    private PolicyUnderTest Policy(int port, string options = "", string scheme = "http") =>
        PolicyUnderTest.Of(Configuration(port, options, scheme), s_environment with { Clock = _clock });

    private static string Configuration(int port, string options, string scheme) => $$"""
        policyd { virtual_hosts = [ { name = test, port = 12345, plugins = [
          { name = p, module = Http, url = "{{scheme}}://127.0.0.1:{{port}}/v1", {{options}} } ] } ] }
        """;

    private sealed record Verdict(string Name, int Score);

    /// <summary>Asks for the client's name, and answers what came of it.</summary>
    [Module("Http"), SideEffects]
    public sealed class HttpPlugin : Plugin
    {
        private PluginHttp _http = null!;

        public string Url { get; set; } = "";

        public TimeSpan Most { get; set; } = TimeSpan.FromSeconds(5);

        [NotAnOption]
        public Func<PluginHttp, PluginContext, ValueTask<string>> Script { get; set; } = static async (http, context) =>
            await http.GetStringAsync(context, Uri.EscapeDataString(context.Request.ClientName)) ?? "nothing";

        [NotAnOption]
        public SocketsHttpHandler? Sockets { get; private set; }

        public override void Initialize(PluginSetup setup) =>
            _http = setup.Http("url", Url, new HttpSettings { Timeout = Most, Configure = handler => Sockets = handler })!;

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            try
            {
                return PluginResult.Answer($"reject {await Script(_http, context)}");
            }
            catch (Exception exception) when (exception is HttpRequestException or NotSupportedException)
            {
                return PluginResult.Answer($"reject {exception.GetType().Name}: {exception.Message}");
            }
        }
    }
}
