using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>The HTTP endpoint of a real server: who is answered, who is not, and what health is told.</summary>
[ServerTest]
public sealed class HttpEndpointSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly int _http = FreePort.Next();
    private readonly HttpClient _client = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Only_reading_requests_under_a_known_name_are_answered()
    {
        await using var server = await Serve(Http());
        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics"));
        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics", host: $"localhost:{_http}"));
        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics", host: "[::1]"));
        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics", HttpMethod.Head));
        Assert.Equal(HttpStatusCode.NotFound, await StatusOf("/"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusOf("/metrics/more"));
        Assert.Equal(HttpStatusCode.MisdirectedRequest, await StatusOf("/metrics", host: "attacker.example"));
        Assert.Equal(HttpStatusCode.MisdirectedRequest, await StatusOf("/", host: "127.0.0.1.attacker.example"));
        foreach (var method in new[] { HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options, HttpMethod.Trace })
        {
            Assert.Equal(HttpStatusCode.MethodNotAllowed, await StatusOf("/metrics", method));
            Assert.Equal(HttpStatusCode.MethodNotAllowed, await StatusOf("/readyz", method));
        }

        Assert.Equal((HttpStatusCode.OK, "alive\n"), await Get("/livez", host: "attacker.example"));
        Assert.Equal((HttpStatusCode.OK, "ready\n"), await Get("/readyz", host: "192.0.2.1"));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    [Fact]
    public async Task Wrong_request_is_refused_and_the_next_one_is_answered()
    {
        const string Begin = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n";
        var large = new string('a', 20_000);
        var many = string.Concat(Enumerable.Range(0, 100).Select(static n => $"x{n}: y\r\n"));
        await using var server = await Serve(Http());
        foreach (var (request, status) in new[]
        {
            ("nonsense\r\n\r\n", 400),
            ("\0\u0001\u0002\u0016\u0003\u0001\r\n\r\n", 400),
            ("GET /metrics HTTP/1.1\r\n\r\n", 400),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ($"{Begin}Content-Length: -1\r\n\r\n", 400),
            ($"{Begin}bad header\r\n\r\n", 400),
            ($"GET /{large} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
            ($"{Begin}X: {large}\r\n\r\n", 431),
            ($"{Begin}{many}\r\n", 431),
            ("GET /metrics HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", 505),
        })
        {
            Assert.StartsWith($"HTTP/1.1 {status} ", await Raw(request), StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics"));
        await Ask();
    }

    [Fact]
    public async Task More_connections_than_there_may_be_are_closed_and_mail_is_answered()
    {
        await using var server = await Serve(Http());
        var open = new List<TcpClient>();
        try
        {
            for (var index = 0; index < 100; index++)
            {
                open.Add(new TcpClient());
                await open[^1].ConnectAsync(IPAddress.Loopback, _http, Cancel);
            }

            await Eventually.Holds("connections beyond the limit to be closed", async () =>
            {
                var closed = 0;
                foreach (var one in open)
                {
                    closed += one.Client.Poll(0, SelectMode.SelectRead) ? 1 : 0;
                }

                await Task.Yield();
                return closed >= 30;
            });
            await Ask();
        }
        finally
        {
            open.ForEach(static one => one.Dispose());
        }

        await Eventually.Holds("a place for the next client", async () =>
        {
            try
            {
                return await StatusOf("/metrics") == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
    }

    [Fact]
    public async Task Token_is_demanded_for_metrics_and_not_for_health()
    {
        await using var server = await Serve(Http("token = \"s3cret-Token\", hosts = [\"mx1.example.org\"]"));
        foreach (var wrong in new[] { null, "Bearer", "Bearer s3cret-token", "Bearer s3cret-Token2", "Basic s3cret-Token", "s3cret-Token" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusOf("/metrics", host: "mx1.example.org", authorization: wrong));
        }

        Assert.Equal(HttpStatusCode.OK, await StatusOf("/metrics", host: "MX1.example.org", authorization: "Bearer s3cret-Token"));
        Assert.Equal(HttpStatusCode.MisdirectedRequest, await StatusOf("/metrics", authorization: "Bearer s3cret-Token"));
        Assert.Equal(HttpStatusCode.OK, await StatusOf("/readyz"));
        var dump = await Command.RunAsync("", "dump", "-c", _folder["policyd.hocon"]);
        Assert.DoesNotContain("s3cret", dump.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_are_encrypted_with_the_certificate_that_its_files_have()
    {
        using var authority = new TestAuthority("operator");
        var (certificate, key) = authority.Issue(["mx1.example.org"]);
        var tls = $"tls {{ certificate = \"{_folder.Write("http.crt", certificate)}\", key = \"{_folder.Write("http.key", key)}\" }}";
        await using var server = await PolicydProcess.Serve(Configure(Http(tls)), _port);
        X509Certificate2? seen = null;
        using var handler = new HttpClientHandler();
        handler.ServerCertificateCustomValidationCallback = (_, certificate, _, _) => (seen = certificate) is not null;
        using var client = new HttpClient(handler);
        Assert.Equal("alive\n", await client.GetStringAsync($"https://127.0.0.1:{_http}/livez", Cancel));
        Assert.Equal(certificate, seen?.ExportCertificatePem());
    }

    [Fact]
    public async Task Variables_of_the_framework_open_no_port_and_without_the_section_nothing_of_it_is_loaded()
    {
        var other = FreePort.Next();
        var variables = new Dictionary<string, string>
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{other}",
            ["ASPNETCORE_HTTP_PORTS"] = $"{other}",
            ["DOTNET_URLS"] = $"http://127.0.0.1:{other}",
            ["URLS"] = $"http://127.0.0.1:{other}",
            ["ASPNETCORE_Kestrel__Endpoints__Other__Url"] = $"http://127.0.0.1:{other}",
            ["Kestrel__Endpoints__Other__Url"] = $"http://127.0.0.1:{other}",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{other}",
        };
        variables["STATE_DIRECTORY"] = _folder.Path;
        foreach (var (section, isLoaded) in new[] { (Http(), true), ("", false) })
        {
            await using var server = ProcessUnderTest.Start(
                PolicydProcess.Executable, ["serve", "-c", Configure(section)], variables);
            await PolicydProcess.Listens(server, _port);
            await Ask();
            if (OperatingSystem.IsLinux())
            {
                var listening = ListeningSockets.Of(server.Id);
                Assert.DoesNotContain(listening, socket => socket.EndsWith($":{other}", StringComparison.Ordinal));
                Assert.Equal(isLoaded, listening.Any(socket => socket.EndsWith($":{_http}", StringComparison.Ordinal)));
                var loaded = File.ReadLines($"/proc/{server.Id}/maps").Select(static line => Path.GetFileName(line.Split(' ')[^1]))
                    .Where(static name => name.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal)
                        || name.StartsWith("OpenTelemetry", StringComparison.Ordinal))
                    .Distinct().ToList();
                Assert.Equal(isLoaded, loaded.Count > 0);
            }

            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }
    }

    [Fact]
    public async Task Address_that_is_in_use_is_told_and_the_server_does_not_start()
    {
        using var taken = new TcpListener(IPAddress.Loopback, _http);
        taken.Start();
        var result = await Command.RunAsync("", "serve", "-c", Configure(Http()));
        Assert.Equal(71, result.ExitCode);
        Assert.Contains($"http: cannot listen on 127.0.0.1:{_http}: the address is already in use", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_that_is_away_is_named_and_the_server_stays_ready()
    {
        await using var database = new MariaDbServer();
        await using var server = await PolicydProcess.Serve(
            Configure(
                $"{Http()}\nconnections.db {{ module = Sql, dsn = \"{await database.NewDatabase()}\", user = policyd, password = secret }}",
                "{ name = acct, module = Accounting, fields = sender }"),
            _port);
        await Ask();
        await database.Stop();
        await Ask();
        await Eventually.Holds(
            "the database to be named",
            async () => await Get("/readyz") == (HttpStatusCode.OK, "ready\ndegraded: database db takes no counts\n"));
        await database.Start();
        await Eventually.Holds("nothing to be wrong", async () => await Get("/readyz") == (HttpStatusCode.OK, "ready\n"));
    }

    [Fact]
    public async Task Server_that_finishes_its_last_requests_is_alive_and_not_ready()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var server = await PolicydProcess.Serve(
            Configure(Http(), $"{{ name = ask, module = Proxy, host = \"{silent.LocalEndpoint}\", wait = 10s, on_error = dunno }}"), _port);
        var asking = Ask();
        using var asked = await silent.AcceptSocketAsync(Cancel);
        server.Terminate();
        await Eventually.Holds(
            "the server to say that it stops",
            async () => await Get("/readyz") == (HttpStatusCode.ServiceUnavailable, "not ready: stopping\n"));
        Assert.Equal((HttpStatusCode.OK, "alive\n"), await Get("/livez"));

        asked.Close();
        await asking;
        Assert.Equal(0, await server.Exits());
    }

    /// <summary>Its port takes connections a little before it is ready.</summary>
    private async Task<ProcessUnderTest> Serve(string root)
    {
        var server = await PolicydProcess.Serve(Configure(root), _port);
        await Eventually.Holds("the server to be ready", async () => await StatusOf("/readyz") == HttpStatusCode.OK);
        return server;
    }

    private async Task<string> Raw(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _http, Cancel);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), Cancel);
        using var reader = new StreamReader(client.GetStream());
        return await reader.ReadLineAsync(Cancel) ?? "";
    }

    private async Task<HttpStatusCode> StatusOf(string path, HttpMethod? method = null, string? host = null, string? authorization = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, $"http://127.0.0.1:{_http}{path}");
        request.Headers.Host = host;
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        using var response = await _client.SendAsync(request, Cancel);
        return response.StatusCode;
    }

    private async Task<(HttpStatusCode Status, string Body)> Get(string path, string? host = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{_http}{path}");
        request.Headers.Host = host;
        using var response = await _client.SendAsync(request, Cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancel));
    }

    private async Task Ask()
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        Assert.Equal("dunno", await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", "a@example.com")
                .Add("instance", Guid.NewGuid().ToString("N")).Add("size", "10").ToBytes(),
            Cancel));
    }

    private string Http(string more = "") => $"http {{ listen = \"127.0.0.1:{_http}\"\n{more} }}";

    private string Configure(string root, string plugins = "{ name = answer, module = Action, action = dunno }") => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = off }
          {{root}}
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ {{plugins}} ] } ]
        }
        """);
}
