using System.Net;
using System.Net.Sockets;
using System.Text;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Protocol;

/// <summary>The client against a server that misbehaves in every way a server can.</summary>
public sealed class PolicyClientSpecs
{
    private static readonly byte[] Request = PolicyRequestBuilder.AccessPolicy().Add("sender", "a@b").ToBytes();

    [Theory]
    [InlineData("action=dunno\n\n", "dunno")]
    [InlineData("foo=bar\naction=reject a=b\nbaz=1\n\n", "reject a=b")]
    [InlineData("action=PREPEND X: y\naction=reject\n\n", "PREPEND X: y")]
    public async Task Client_reads_the_action_as_Postfix_does(string reply, string action)
    {
        using var server = new ScriptedServer(reply);
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        Assert.Equal(action, await client.AskAsync(Request, TestContext.Current.CancellationToken));
        Assert.Equal(Request, await Eventually.Ends("the request", server.Received));
    }

    [Theory]
    [InlineData("", "without an answer")]
    [InlineData("action=du", "in the middle")]
    [InlineData("ACTION=dunno\n\n", "contains no action")]
    [InlineData("\n", "contains no action")]
    [InlineData("\naction=dunno\n\n", "contains no action")]
    [InlineData("action=dunno\r\n\r\n", "in the middle")]
    public async Task Client_says_what_is_wrong_with_the_server(string reply, string message)
    {
        using var server = new ScriptedServer(reply);
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<PolicyClientException>(
            async () => await client.AskAsync(Request, TestContext.Current.CancellationToken));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("unix")]
    public async Task Client_asks_one_request_after_the_other_over_every_transport(string transport)
    {
        if (transport == "::1" && !Socket.OSSupportsIPv6)
        {
            Assert.Skip("no IPv6 on this machine");
        }

        using var folder = new TemporaryFolder();
        var path = folder["policy.sock"];
        using var listener = transport == "unix"
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(IPAddress.Parse(transport).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(transport == "unix" ? new UnixDomainSocketEndPoint(path) : new IPEndPoint(IPAddress.Parse(transport), 0));
        listener.Listen();
        var endpoint = transport == "unix"
            ? PolicyEndpoint.Unix(path)
            : PolicyEndpoint.Tcp(transport, ((IPEndPoint)listener.LocalEndPoint!).Port);

        var connecting = PolicyClient.ConnectAsync(endpoint, TestContext.Current.CancellationToken);
        using var server = await Eventually.Ends("the connection", listener.AcceptAsync(TestContext.Current.CancellationToken).AsTask());
        await using var client = await connecting;
        var buffer = new byte[1024];
        foreach (var action in (string[])["dunno", "reject \u00e9", "450 later"])
        {
            var asking = client.AskAsync(Request, TestContext.Current.CancellationToken).AsTask();
            var read = await Eventually.Ends("the request", server.ReceiveAsync(buffer));
            Assert.Equal(Request, buffer[..read]);
            foreach (var one in PolicyReply.Encode(action))
            {
                await server.SendAsync(new[] { one });
            }

            Assert.Equal(action, await Eventually.Ends("the answer", asking));
        }

        Assert.True(client.IsUsable);
        await server.SendAsync("action=ok\n\n"u8.ToArray());
        await Eventually.Holds("what nobody asked for to be seen", () => !client.IsUsable);
    }

    [Fact]
    public async Task Client_does_not_read_an_endless_answer()
    {
        using var server = new ScriptedServer(new string('x', 100_000));
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<PolicyClientException>(
            async () => await client.AskAsync(Request, TestContext.Current.CancellationToken));
        Assert.Contains("longer than", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_gives_up_at_its_deadline()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port), TestContext.Current.CancellationToken);
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.AskAsync(Request, deadline.Token));

        // The answer may still come; the next request must not take it for its own.
        Assert.False(client.IsUsable);
        await Assert.ThrowsAsync<PolicyClientException>(async () => await client.AskAsync(Request, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Client_names_the_server_that_is_not_there()
    {
        var error = await Assert.ThrowsAsync<PolicyClientException>(
            async () => await PolicyClient.ConnectAsync(
                PolicyEndpoint.Unix("/nowhere/policy.sock"), TestContext.Current.CancellationToken));
        Assert.Contains("unix:/nowhere/policy.sock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_sees_that_the_server_has_closed()
    {
        using var server = new ScriptedServer("action=dunno\n\n");
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        await client.AskAsync(Request, TestContext.Current.CancellationToken);
        await Eventually.Holds("the close to be seen", () => !client.IsUsable);
        var error = await Assert.ThrowsAsync<PolicyClientException>(
            async () => await client.AskAsync(Request, TestContext.Current.CancellationToken));
        Assert.Contains("closed", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:12345", "127.0.0.1:12345")]
    [InlineData("12345", "127.0.0.1:12345")]
    [InlineData("inet:localhost:1", "localhost:1")]
    [InlineData("[::1]:25", "[::1]:25")]
    [InlineData("unix:/run/p.sock", "unix:/run/p.sock")]
    [InlineData("/run/p.sock", "unix:/run/p.sock")]
    public void Endpoint_is_read_as_operators_write_it(string text, string shown)
    {
        Assert.True(PolicyEndpoint.TryParse(text, out var endpoint, out var error), error);
        Assert.Equal(shown, endpoint.ToString());
    }

    [Theory]
    [InlineData("", "port")]
    [InlineData("host:", "port")]
    [InlineData("host:65536", "port")]
    [InlineData("::1:25", "brackets")]
    [InlineData("[nonsense]:25", "host")]
    [InlineData("unix:", "path")]
    [InlineData("a b:25", "host")]
    [InlineData("unix:/a\0b", "zero character")]
    [InlineData(
        "/01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", "allows 107")]
    public void Endpoint_that_cannot_be_one_is_explained(string text, string reason)
    {
        Assert.False(PolicyEndpoint.TryParse(text, out _, out var error));
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(107, true)]
    [InlineData(108, false)]
    public void Path_that_no_socket_can_have_is_explained(int bytes, bool fits)
    {
        // One letter of two bytes: the system counts bytes.
        var path = "/" + new string('x', bytes - 3) + "ü";
        var read = PolicyEndpoint.TryParse("unix:" + path, out _, out var error);
        Assert.Equal(
            (fits, fits ? null : $"the path of the socket has {bytes} bytes, and the system allows 107: {path}"), (read, error));
    }

    [Theory]
    [InlineData("127.0.0.1:1", true)]
    [InlineData("unix:/run/p.sock", true)]
    [InlineData("127.0.0.1:0", false)]
    [InlineData("*:25", false)]
    public void Endpoint_that_is_for_listening_only_is_not_one_to_connect_to(string text, bool expected)
    {
        Assert.True(PolicyEndpoint.TryParse(text, out var endpoint, out var error), error);
        Assert.Equal(expected, endpoint.IsConnectable);
    }

    [Theory]
    [InlineData("a=b", "x")]
    [InlineData("", "x")]
    [InlineData("a\n", "x")]
    [InlineData("a", "x\ny")]
    [InlineData("a", "x\0")]
    public void Builder_refuses_what_the_protocol_cannot_carry(string name, string value) =>
        Assert.ThrowsAny<ArgumentException>(() => new PolicyRequestBuilder().Add(name, value));

    [Theory]
    [InlineData("")]
    [InlineData("reject\nok")]
    public void Reply_refuses_what_is_not_one_action(string action) =>
        Assert.ThrowsAny<ArgumentException>(() => PolicyReply.Encode(action));

    /// <summary>Takes one connection, waits for a whole request, says its line and closes.</summary>
    private sealed class ScriptedServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public ScriptedServer(string reply)
        {
            _listener.Start();
            Received = Serve(reply);
        }

        public PolicyEndpoint Endpoint => PolicyEndpoint.Tcp("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port);

        public Task<byte[]> Received { get; }

        public void Dispose() => _listener.Dispose();

        private async Task<byte[]> Serve(string reply)
        {
            using var socket = await _listener.AcceptSocketAsync();
            var received = new List<byte>();
            var buffer = new byte[1024];
            while (!received.TakeLast(2).SequenceEqual("\n\n"u8.ToArray()))
            {
                received.AddRange(buffer.AsSpan(0, await socket.ReceiveAsync(buffer)));
            }

            try
            {
                await socket.SendAsync(Encoding.UTF8.GetBytes(reply));
            }
            catch (SocketException)
            {
                // The client had enough and hung up, which is what one of the tests is about.
            }

            return [.. received];
        }
    }
}
