using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Engine.Model;
using Policyd.Server.Admin;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary>The wire of the admin endpoint under good and bad input: each gets an answer, and the next one is served.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class AdminEndpointSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LogCapture _log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string SocketPath => _folder["admin.sock"];

    [Fact]
    public async Task A_command_is_answered_and_the_connection_goes_on()
    {
        using var server = await Start();
        using var client = new Client(SocketPath);
        foreach (var word in new[] { "one", "two\u001b[31m" })
        {
            await client.Send(
                new JsonObject { ["command"] = "echo", ["arguments"] = new JsonObject { ["text"] = word } }.ToJsonString() + "\n");
            var answer = await client.Answer();
            Assert.True(answer.GetProperty("ok").GetBoolean());
            Assert.Equal(word, answer.GetProperty("result").GetProperty("text").GetString());
        }
    }

    [Fact]
    public async Task Two_requests_in_one_packet_and_one_in_many_are_answered_in_order()
    {
        using var server = await Start();
        using var client = new Client(SocketPath);
        await client.Send(
            "{\"command\":\"echo\",\"arguments\":{\"text\":\"1\"}}\n{\"command\":\"echo\",\"arguments\":{\"text\":\"2\"}}\n{\"comm");
        Assert.Equal("1", (await client.Answer()).GetProperty("result").GetProperty("text").GetString());
        Assert.Equal("2", (await client.Answer()).GetProperty("result").GetProperty("text").GetString());
        foreach (var piece in "and\":\"echo\",\"arguments\":{\"text\":\"3\"}}\n")
        {
            await client.Send(piece.ToString());
        }

        Assert.Equal("3", (await client.Answer()).GetProperty("result").GetProperty("text").GetString());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n{\"command\":\"echo\",\"arguments\":{\"text\":\"smuggled\"}}\n")]
    [InlineData("\0\u0001\u001b garbage\n")]
    [InlineData("[1,2]\n")]
    [InlineData("\"text\"\n")]
    [InlineData("\n")]
    [InlineData("{\"command\":\n")]
    [InlineData(
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
            + "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}\n")]
    [InlineData("{\"command\":\"\\ud800\"}\n")]
    [InlineData("{\"command\":\"counter.get\",\"arguments\":{\"table\":\"\\udfff\"}}\n")]
    [InlineData("{\"command\":\"counter.get\",\"arguments\":{\"\\ud83d\":1}}\n")]
    public async Task A_line_that_is_no_request_is_told_so_and_ends_the_connection(string sent)
    {
        using var server = await Start();
        using (var client = new Client(SocketPath))
        {
            await client.Send(sent);
            await client.IsRefused("bad_request");
            Assert.True(await client.IsAtEnd(), "nothing after the first line is read");
        }

        await ServesOthers();
    }

    [Theory]
    [InlineData("{}", "bad_request")]
    [InlineData("{\"command\":7}", "bad_request")]
    [InlineData("{\"command\":\"nonsense\"}", "unknown_command")]
    [InlineData("{\"command\":\"echo\",\"arguments\":[]}", "bad_request")]
    [InlineData("{\"command\":\"echo\"}", "bad_request")]
    [InlineData("{\"command\":\"echo\",\"arguments\":{\"text\":7}}", "bad_request")]
    [InlineData("{\"command\":\"echo\",\"arguments\":{\"text\":\"a\",\"txt\":\"b\"}}", "bad_request")]
    [InlineData("{\"command\":\"defect\"}", "internal")]
    [InlineData("{\"command\":\"sleep\"}", "unavailable")]
    public async Task A_request_that_cannot_be_carried_out_is_told_why_and_the_connection_goes_on(string sent, string code)
    {
        using var server = await Start();
        using var client = new Client(SocketPath);
        await client.Send(sent + "\n");
        await client.IsRefused(code);
        await client.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"on\"}}\n");
        Assert.Equal("on", (await client.Answer()).GetProperty("result").GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_request_that_is_too_long_is_told_so()
    {
        using var server = await Start(new AdminLimits { LongestRequest = 1000 });
        using (var client = new Client(SocketPath))
        {
            await client.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"" + new string('x', 100_000));
            Assert.Contains("1000 bytes", await client.IsRefused("bad_request"), StringComparison.Ordinal);
        }

        using (var exact = new Client(SocketPath))
        {
            var request = "{\"command\":\"echo\",\"arguments\":{\"text\":\"";
            await exact.Send(request + new string('x', 1000 - request.Length - 3) + "\"}}\n");
            Assert.True((await exact.Answer()).GetProperty("ok").GetBoolean());
        }

        await ServesOthers();
    }

    [Fact]
    public async Task Half_a_request_is_told_so_when_its_sender_closes()
    {
        using var server = await Start(new AdminLimits { Timeout = Eventually.Timeout });
        using (var closing = new Client(SocketPath))
        {
            await closing.Send("{\"command\":");
            closing.CloseSending();
            await closing.IsRefused("bad_request");
        }

        await ServesOthers();
    }

    [Fact]
    public async Task Half_a_request_is_told_so_when_its_time_is_over()
    {
        using var server = await Start(new AdminLimits { Timeout = TimeSpan.FromSeconds(1) });
        using (var silent = new Client(SocketPath))
        {
            await silent.Send("{\"command\":");
            await silent.IsRefused("timed_out");
        }

        await ServesOthers();
    }

    [Fact]
    public async Task More_connections_than_allowed_are_told_to_come_again()
    {
        using var server = await Start(new AdminLimits { MostConnections = 2, Timeout = Eventually.Timeout });
        var first = new Client(SocketPath);
        using var second = new Client(SocketPath);
        foreach (var client in new[] { first, second })
        {
            await client.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"in\"}}\n");
            await client.Answer();
        }

        using (var third = new Client(SocketPath))
        {
            await third.IsRefused("busy");
        }

        first.Dispose();
        await Eventually.Holds("a place to be free", async () =>
        {
            using var next = new Client(SocketPath);
            await next.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"in\"}}\n");
            return (await next.Answer()).GetProperty("ok").GetBoolean();
        });
    }

    [Fact]
    public async Task An_answer_that_nobody_takes_does_not_keep_its_place()
    {
        using var server = await Start(new AdminLimits { MostConnections = 1, Timeout = TimeSpan.FromMilliseconds(200) });
        using var deaf = new Client(SocketPath);
        await deaf.Send("{\"command\":\"flood\"}\n");
        await Eventually.Holds("the place to be free", async () =>
        {
            using var next = new Client(SocketPath);
            await next.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"in\"}}\n");
            return (await next.Answer()).GetProperty("ok").GetBoolean();
        });
    }

    [Fact]
    public async Task The_socket_is_its_owners_alone_and_goes_with_the_server()
    {
        var server = await Start();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
        await server.StoppingAsync(Cancel);
        server.Dispose();
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task Without_a_configured_place_and_with_none_to_be_had_the_server_says_so_and_goes_on()
    {
        using var server = new AdminServer(new AdminOptions(), new AdminLimits(), [], _log.CreateLogger(""));
        var folder = Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY");
        try
        {
            Environment.SetEnvironmentVariable("RUNTIME_DIRECTORY", _folder["none"]);
            await server.StartingAsync(Cancel);
        }
        finally
        {
            Environment.SetEnvironmentVariable("RUNTIME_DIRECTORY", folder);
        }

        Assert.Equal(
            $"admin commands (policyd counter) are not accepted: cannot listen on unix:{_folder["none/admin.sock"]}: its folder does not "
                + $"exist; set admin {{ listen }} to another endpoint, or to off",
            Assert.Single(_log.Lines).Message);
    }

    [Theory]
    [InlineData("0.0.0.0:4711", false)]
    [InlineData("*:4711", false)]
    [InlineData("[::]:4711", false)]
    [InlineData("mail.example.org:4711", false)]
    [InlineData("nonsense", false)]
    [InlineData("127.0.0.1:4711", true)]
    [InlineData("[::1]:4711", true)]
    [InlineData("localhost:4711", true)]
    [InlineData("unix:/run/x", true)]
    [InlineData("off", true)]
    public void A_place_that_others_reach_must_be_allowed(string listen, bool fits)
    {
        Assert.Equal(fits, new AdminOptions { Listen = listen }.Check() is null);
        Assert.Equal(fits || listen != "nonsense", new AdminOptions { Listen = listen, AllowRemote = true }.Check() is null);
    }

    [Theory]
    [InlineData(null, "unix:/run/policyd/admin.sock")]
    [InlineData("", "unix:/run/policyd/admin.sock")]
    [InlineData("/run/a:/run/b", "unix:/run/a/admin.sock")]
    public void The_default_place_is_in_the_folder_that_systemd_made(string? runtimeDirectory, string endpoint) =>
        Assert.Equal(endpoint, new AdminOptions().Endpoint(runtimeDirectory)?.ToString());

    public void Dispose() => _folder.Dispose();

    private async Task<AdminServer> Start(AdminLimits? limits = null)
    {
        var server = new AdminServer(
            new AdminOptions { Listen = "unix:" + SocketPath },
            limits ?? new AdminLimits(),
            [
                new Scripted("echo", arguments => Task.FromResult<JsonNode>(new JsonObject { ["text"] = arguments.RequiredText("text") })),
                new Scripted("defect", _ => throw new InvalidOperationException("a defect")),
                new Scripted("sleep", _ => new TaskCompletionSource<JsonNode>().Task),
                new Scripted("flood", _ => Task.FromResult<JsonNode>(new JsonObject { ["text"] = new string('x', 8_000_000) })),
            ],
            _log.CreateLogger(""));
        await server.StartingAsync(Cancel);
        return server;
    }

    private async Task ServesOthers()
    {
        using var client = new Client(SocketPath);
        await client.Send("{\"command\":\"echo\",\"arguments\":{\"text\":\"other\"}}\n");
        Assert.True((await client.Answer()).GetProperty("ok").GetBoolean());
    }

    private sealed class Scripted(string name, Func<AdminArguments, Task<JsonNode>> answer) : IAdminCommand
    {
        public string Name => name;

        public IReadOnlyList<string> Arguments { get; } = ["text"];

        public TimeSpan Timeout => TimeSpan.FromMilliseconds(name == "sleep" ? 100 : 30_000);

        public Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct) => answer(arguments);
    }

    private sealed class Client : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly NetworkStream _stream;
        private readonly LineReader _reader;

        public Client(string path)
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
            _stream = new NetworkStream(_socket);
            _reader = new LineReader(_stream, 16_000_000);
        }

        // A server that has refused already may have closed before everything was sent.
        public async Task Send(string text)
        {
            try
            {
                await _stream.WriteAsync(Encoding.UTF8.GetBytes(text), Cancel);
            }
            catch (IOException)
            {
            }
        }

        public void CloseSending() => _socket.Shutdown(SocketShutdown.Send);

        public async Task<JsonElement> Answer()
        {
            var (status, line) = await Eventually.Ends("an answer", _reader.ReadAsync(Cancel).AsTask());
            Assert.Equal(LineStatus.Line, status);
            using var answer = JsonDocument.Parse(line);
            return answer.RootElement.Clone();
        }

        public async Task<string> IsRefused(string code)
        {
            var answer = await Answer();
            Assert.False(answer.GetProperty("ok").GetBoolean());
            Assert.Equal(code, answer.GetProperty("error").GetProperty("code").GetString());
            var message = answer.GetProperty("error").GetProperty("message").GetString()!;
            Assert.NotEqual("", message);
            return message;
        }

        public async Task<bool> IsAtEnd() =>
            (await Eventually.Ends("the end", _reader.ReadAsync(Cancel).AsTask())).Status == LineStatus.End;

        public void Dispose()
        {
            _stream.Dispose();
            _socket.Dispose();
        }
    }
}
