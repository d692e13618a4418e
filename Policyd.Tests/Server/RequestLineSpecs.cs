using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>A mail is found in the log of the running server, and its line says what was decided and why.</summary>
[ServerTest]
public sealed class RequestLineSpecs : IDisposable
{
    private const string Chain = """
        { name = helo, module = Condition, key = helo_name, match = "mx.example.net", score = 2.5 },
        { name = no, module = RegexList, key = sender, regex = ["^spam"], action = "reject no thanks" },
        { name = tag, module = AddScoreHeader }
        """;

    // What Postfix 3.7 sends at RCPT, in its order.
    private const string Mail = """
        request=smtpd_access_policy
        protocol_state=RCPT
        protocol_name=ESMTP
        client_address=192.0.2.7
        client_name=mail.example.net
        client_port=41234
        reverse_client_name=mail.example.net
        server_address=198.51.100.1
        server_port=25
        helo_name=mx.example.net
        sender=spam+a@example.net
        recipient=b@example.org
        recipient_count=0
        queue_id=4RtYhS2Zz0z9
        instance=1a2b.65f0c1d2.3e4f5.0
        size=12345
        etrn_domain=
        stress=
        sasl_method=PLAIN
        sasl_username=bob
        sasl_sender=
        ccert_subject=
        ccert_issuer=
        ccert_fingerprint=
        ccert_pubkey_fingerprint=
        encryption_protocol=TLSv1.3
        encryption_cipher=TLS_AES_256_GCM_SHA384
        encryption_keysize=256
        policy_context=


        """;

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_mail_is_one_line_at_the_default_level()
    {
        await using var server = await ServeAsync(Chain);
        Assert.Equal("reject no thanks", await AskAsync(Encoding.UTF8.GetBytes(Mail)));
        var line = await server.Prints("queue_id=4RtYhS2Zz0z9");
        Assert.Matches(
            """^\S+ notice: x: instance=1a2b\.65f0c1d2\.3e4f5\.0 protocol_state=RCPT queue_id=4RtYhS2Zz0z9 client_address=192\.0\.2\.7 """
            + """client_name=mail\.example\.net """
            + """helo_name=mx\.example\.net sender=spam\+a@example\.net recipient=b@example\.org sasl_username=bob size=12345 """
            + """plugin=no action="reject no thanks" score=2\.5 score_detail="helo=2\.5" elapsed_ms=\d+\.\d$""",
            line);
        Assert.Single(server.Lines, one => one.Contains("1a2b.65f0c1d2.3e4f5.0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bounce_shows_its_empty_sender_and_a_request_before_the_mail_has_none()
    {
        await using var server = await ServeAsync(Chain);
        await AskAsync(
            "request=smtpd_access_policy\nprotocol_state=DATA\ninstance=1\nsender=\nrecipient=\nsize=0\nrecipient_count=3\n\n"u8.ToArray());
        await AskAsync("request=smtpd_access_policy\nprotocol_state=CONNECT\ninstance=\nsender=\nrecipient=\n\n"u8.ToArray());
        Assert.Contains(
            "x: instance=1 protocol_state=DATA sender=\"\" recipient_count=3 plugin=tag ",
            await server.Prints("state=DATA"),
            StringComparison.Ordinal);
        Assert.Contains("x: protocol_state=CONNECT plugin=tag ", await server.Prints("state=CONNECT"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forged_value_is_no_field_and_no_line()
    {
        (string Name, byte[] Value)[] forged =
        [
            ("instance", "1\" action=\"dunno"u8.ToArray()), ("client_name", "a\\"u8.ToArray()), (
                "helo_name", "[31m\u202e\u009b"u8.ToArray()),
            ("sender", "a action=dunno"u8.ToArray()), ("recipient", [(byte)'b', 0xff, (byte)'\r', (byte)'c']), (
                "sasl_username", "ü=\t\""u8.ToArray()),
        ];
        await using var server = await ServeAsync(Chain);
        await AskAsync([
            .. "request=smtpd_access_policy\n"u8,
            .. forged.SelectMany(one => (byte[])[.. Encoding.ASCII.GetBytes(one.Name), (byte)'=', .. one.Value, (byte)'\n']), (byte)'\n'
        ]);
        var line = await server.Prints("elapsed_ms=");
        var fields = LogFields.Of(line[(line.IndexOf(" x: ", StringComparison.Ordinal) + 4)..]);
        Assert.Equal([.. forged.Select(one => one.Name), "plugin", "action", "elapsed_ms"], fields.Select(field => field.Name));
        foreach (var (name, value) in forged)
        {
            Assert.Equal(value, Assert.Single(fields, field => field.Name == name).Value);
        }

        Assert.DoesNotContain(line, static one => char.IsControl(one) || one == '\u202e');
    }

    [Fact]
    public async Task A_json_line_has_the_decision_and_every_attribute_so_that_the_request_can_be_sent_again()
    {
        await using var server = await ServeAsync(Chain, "log_format = json");
        await AskAsync(Encoding.UTF8.GetBytes(Mail));
        using var line = JsonDocument.Parse(await server.Prints("4RtYhS2Zz0z9"));
        var record = line.RootElement;
        Assert.Equal(
            ["time", "level", "message", "virtual_host", "instance", "plugin", "action", "score", "score_detail", "elapsed_ms", "request"],
            record.EnumerateObject().Select(member => member.Name));
        Assert.Equal(
            ("notice", "request answered", "x", "no", "reject no thanks"),
            (Text("level"), Text("message"), Text("virtual_host"), Text("plugin"), Text("action")));
        Assert.Equal((2.5, "helo=2.5"), (record.GetProperty("score").GetDouble(), Text("score_detail")));
        Assert.InRange(record.GetProperty("elapsed_ms").GetDouble(), 0, 60_000);
        Assert.Equal(
            Mail,
            string.Concat(record.GetProperty("request").EnumerateObject().Select(one => $"{one.Name}={one.Value.GetString()}\n")) + "\n");
        foreach (var each in server.Lines)
        {
            JsonDocument.Parse(each).Dispose();   // the lines of the start as well
        }

        string? Text(string name) => record.GetProperty(name).GetString();
    }

    [Fact]
    public async Task A_json_line_keeps_bytes_that_are_no_utf8()
    {
        byte[] request = [
            .. "request=smtpd_access_policy\ninstance=1\nsender="u8, 0xff, 0xc3, .. "\"\\\u202e@example.org\nfoo=1\nsender=z"u8, 0xfe,
            .. "\nfoo=2 = 3\n\n"u8
        ];
        await using var server = await ServeAsync(Chain, "log_format = json");
        await AskAsync(request);
        using var line = JsonDocument.Parse(await server.Prints("request answered"));
        var attributes = line.RootElement.GetProperty("request");
        Assert.Equal(
            [("request", "smtpd_access_policy"), ("instance", "1"), ("sender", "z\ufffd"), ("foo", "2 = 3")],
            attributes.EnumerateObject().Select(one => (one.Name, one.Value.GetString()!)));
        Assert.Equal(request[..^1], line.RootElement.GetProperty("request_base64").GetBytesFromBase64());
    }

    [Fact]
    public async Task A_request_that_fails_says_what_failed_and_so_does_the_line_of_the_plugin()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();   // the system takes the connection, and nobody answers on it
        await using var server = await ServeAsync(
            $$"""{ name = upstream, module = Proxy, host = "{{silent.LocalEndpoint}}", timeout = 300ms }""");
        var client = await PolicyClient.ConnectAsync(Endpoint, Cancel);
        await using (client)
        {
            await Assert.ThrowsAsync<PolicyClientException>(
                () => client.AskAsync("request=smtpd_access_policy\ninstance=7.1\nsender=a@example.org\n\n"u8.ToArray(), Cancel).AsTask());
        }

        Assert.Matches(@"^\S+ err: x: instance=7\.1 plugin=upstream: .*timed out after \d+(\.\d+)? s$", await server.Prints(" err: "));
        Assert.Matches(
            @"^\S+ notice: x: instance=7\.1 sender=a@example\.org plugin=upstream "
                + @"error=""plugin upstream .*timed out after \d+(\.\d+)? s"" elapsed_ms=\d+\.\d$",
            await server.Prints("elapsed_ms="));
    }

    [Fact]
    public async Task A_request_that_no_virtual_host_serves_has_its_line_all_the_same()
    {
        var other = FreePort.Next();
        await using var server = await ServeAsync(Chain, $$"""listen += "127.0.0.1:{{other}}" """);
        await using (var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", other), Cancel))
        {
            await Assert.ThrowsAsync<PolicyClientException>(() =>
                client.AskAsync("request=smtpd_access_policy\ninstance=7.1\nsender=a b@example.org\n\n"u8.ToArray(), Cancel).AsTask());
        }

        Assert.Matches(
            @"^\S+ notice: -: instance=7\.1 sender=""a b@example\.org"" error=""no virtual host"" elapsed_ms=0\.0$",
            await server.Prints("elapsed_ms="));
        Assert.Equal("reject no thanks", await AskAsync(Encoding.UTF8.GetBytes(Mail)));
    }

    [Theory]
    [InlineData("hocon")]
    [InlineData("conf")]
    public async Task Levels_show_what_mtpolicyds_show(string language)
    {
        int[] ports = [.. Enumerable.Range(0, 5).Select(_ => FreePort.Next())];
        var servers = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(level => PolicydProcess.Serve(Counting(language, level, ports[level]), ports[level])));
        try
        {
            for (var level = 0; level < servers.Length; level++)
            {
                _ = await AskAsync(Encoding.UTF8.GetBytes(Mail), ports[level]);
                using var malformed = new TcpClient("127.0.0.1", ports[level]);
                await malformed.GetStream().WriteAsync("no request\n\n"u8.ToArray(), Cancel);
                Assert.Equal(0, await malformed.GetStream().ReadAsync(new byte[10], Cancel));
                servers[level].Terminate();
                Assert.Equal(0, await servers[level].Exits());
                Expect(level >= 1, " warning: malformed request from ");
                Expect(level >= 2, " notice: x: instance=1a2b.65f0c1d2.3e4f5.0 protocol_state=RCPT ");
                Expect(level >= 2, " notice: listening on ");
                Expect(level >= 3, " info: x: instance=1a2b.65f0c1d2.3e4f5.0 plugin=no: ");
                Expect(
                    level >= 4,
                    " debug: x: instance=1a2b.65f0c1d2.3e4f5.0 request: request=smtpd_access_policy "
                        + "protocol_state=RCPT protocol_name=ESMTP ");
                Assert.True(
                    level == 4 || !servers[level].Lines.Any(line => line.Contains("akka", StringComparison.OrdinalIgnoreCase)),
                    string.Join('\n', servers[level].Lines));

                void Expect(bool shown, string part) =>
                    Assert.True(
                        servers[level].Lines.Any(line => line.Contains(part, StringComparison.Ordinal)) == shown,
                        $"level {level}: \"{part}\" {(shown ? "is not" : "is")} in\n{string.Join('\n', servers[level].Lines)}");
            }
        }
        finally
        {
            foreach (var server in servers)
            {
                await server.DisposeAsync();
            }
        }
    }

    private PolicyEndpoint Endpoint => PolicyEndpoint.TryParse($"127.0.0.1:{_port}", out var endpoint, out var error)
        ? endpoint!
        : throw new InvalidOperationException(error);

    private string Counting(string language, int level, int port)
    {
        var database = _folder[$"{language}{level}.db"];
        return language == "conf"
            ? _folder.Write($"{level}.conf", $"""
                log_level={level}
                port="127.0.0.1:{port}"
                <Connection db>
                  module = "Sql"
                  dsn = "dbi:SQLite:dbname={database}"
                </Connection>
                <VirtualHost {port}>
                  name="x"
                  <Plugin acct>
                    module = "Accounting"
                    fields = "client_address"
                  </Plugin>
                  <Plugin no>
                    module = "RegexList"
                    log_level = 3
                    key = "sender"
                    regex = "^spam"
                    action = "reject no thanks"
                  </Plugin>
                </VirtualHost>
                """)
            : _folder.Write($"{level}.hocon", $$"""
                policyd {
                  log_level = {{level}}
                  listen = ["127.0.0.1:{{port}}"]
                  connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{database}}" } }
                  virtual_hosts = [ { name = x, port = {{port}}, plugins = [
                    { name = acct, module = Accounting, fields = [client_address] },
                    { name = no, module = RegexList, log_level = 3, key = sender, regex = ["^spam"], action = "reject no thanks" } ] } ]
                }
                """);
    }

    private Task<ProcessUnderTest> ServeAsync(string plugins, string options = "") => PolicydProcess.Serve(
        _folder.Write("policyd.hocon", $$"""
            policyd {
              listen = ["127.0.0.1:{{_port}}"]
              {{options}}
              virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ {{plugins}} ] } ]
            }
            """),
        _port);

    private async Task<string> AskAsync(byte[] request, int? port = null)
    {
        Assert.True(PolicyEndpoint.TryParse($"127.0.0.1:{port ?? _port}", out var endpoint, out _));
        await using var client = await PolicyClient.ConnectAsync(endpoint!, Cancel);
        return await Eventually.Ends("an answer", client.AskAsync(request, Cancel).AsTask());
    }
}
