using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Api;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class ConnectionSpecs
{
    private const string Dunno = "action=dunno\n\n";

    public static TheoryData<string, string> BadRequests => new()
    {
        { "a line without =", "request=smtpd_access_policy\nnonsense\n\n" },
        { "a NUL", "request=smtpd_access_policy\nsender=a\0b\n\n" },
        { "a name past its bound", new string('n', 200) + "=1\n\n" },
        { "a request past its bound", "sender=" + new string('a', 100_000) + "\n\n" },
        { "an endless line", new string('a', 300_000) },
        { "control characters", "\u001b[2J\r\x07evil\n\n" },
    };

    [Fact]
    public async Task Answers_come_in_the_order_of_the_requests_of_one_packet()
    {
        await using var server = await ServerUnderTest.RunningAsync(static async context =>
        {
            await Task.Delay(context.Request.Recipient == "1" ? 50 : 1, context.Cancellation);
            return PluginResult.Answer("reject " + context.Request.Recipient);
        });
        using var socket = await server.ConnectAsync();
        byte[] packet = [.. Enumerable.Range(1, 20).SelectMany(i => ServerUnderTest.Request($"i{i}", $"{i}"))];
        await socket.SendAsync(packet);
        Assert.Equal(
            string.Concat(Enumerable.Range(1, 20).Select(i => $"action=reject {i}\n\n")),
            await ServerUnderTest.ReadAnswersAsync(socket, 20));
    }

    [Fact]
    public async Task A_client_that_half_closes_still_gets_its_answers()
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        using var socket = await server.ConnectAsync();
        await socket.SendAsync((byte[])[.. ServerUnderTest.Request("1"), .. ServerUnderTest.Request("2")]);
        socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(Dunno + Dunno, await ServerUnderTest.ReadToEndAsync(socket));
    }

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task A_malformed_request_costs_one_line_and_its_connection(string what, string request)
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        using var socket = await server.ConnectAsync();
        await SendAsync(socket, request);
        Assert.Equal("", await ServerUnderTest.ReadToEndAsync(socket));
        Assert.Equal("dunno", await server.AskAsync("good"));
        var line = OneLineAbout(server, "malformed request");
        Assert.Contains("127.0.0.1:", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, static c => char.IsControl(c));
        Assert.NotEmpty(what);
    }

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task A_malformed_request_gets_the_global_on_error_answer_first(string what, string request)
    {
        await using var server = await ServerUnderTest.AnsweringAsync("on_error = \"defer_if_permit policy service error\"");
        using var socket = await server.ConnectAsync();
        await SendAsync(socket, request);
        Assert.Equal("action=defer_if_permit policy service error\n\n", await ServerUnderTest.ReadToEndAsync(socket));
        Assert.Equal("dunno", await server.AskAsync("good"));
        OneLineAbout(server, "malformed request");
        Assert.NotEmpty(what);
    }

    [Fact]
    public async Task Half_a_request_and_a_close_costs_one_line()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("on_error = \"defer x\"");
        using (var socket = await server.ConnectAsync())
        {
            await socket.SendAsync("request=smtpd_access_policy\ninst"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
            Assert.Equal("", await ServerUnderTest.ReadToEndAsync(socket));
        }

        Assert.Equal("dunno", await server.AskAsync("good"));
        OneLineAbout(server, "in the middle of a request");
    }

    [Fact]
    public async Task A_slow_sender_is_given_up_after_the_request_timeout_and_holds_nobody_up()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("request_timeout = 1s");
        using var socket = await server.ConnectAsync();
        var closed = ServerUnderTest.ReadToEndAsync(socket);
        foreach (var one in ServerUnderTest.Request("slow"))
        {
            if (closed.IsCompleted)
            {
                break;
            }

            await SendAsync(socket, ((char)one).ToString());
            Assert.Equal("dunno", await server.AskAsync("good"));
            await Task.WhenAny(closed, Task.Delay(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken));
        }

        Assert.Equal("", await closed);
        Assert.Equal("dunno", await server.AskAsync("good"));
        OneLineAbout(server, "not complete within 1 s");
    }

    [Fact]
    public async Task An_idle_connection_stays_open_without_a_keepalive_timeout()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("request_timeout = 200ms");
        using var socket = await server.ConnectAsync();
        await socket.SendAsync(ServerUnderTest.Request("1"));
        await ServerUnderTest.ReadAnswersAsync(socket, 1);

        // Longer than every deadline there is: another connection's whole life under a keepalive_timeout is the clock.
        await using var other = await ServerUnderTest.AnsweringAsync("keepalive_timeout = 1s");
        using var clock = await other.ConnectAsync();
        await ServerUnderTest.ReadToEndAsync(clock);

        await socket.SendAsync(ServerUnderTest.Request("2"));
        Assert.Equal(Dunno, await ServerUnderTest.ReadAnswersAsync(socket, 1));
    }

    [Fact]
    public async Task An_idle_connection_closes_quietly_after_its_keepalive_timeout()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("keepalive_timeout = 300ms");
        using var socket = await server.ConnectAsync();
        await socket.SendAsync(ServerUnderTest.Request("1"));
        Assert.Equal(Dunno, await ServerUnderTest.ReadToEndAsync(socket));
        Assert.DoesNotContain(server.Log.Lines, static line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task A_connection_closes_after_max_keepalive_answers()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("max_keepalive = 3");
        using var socket = await server.ConnectAsync();
        await socket.SendAsync((byte[])[.. Enumerable.Range(0, 5).SelectMany(i => ServerUnderTest.Request($"{i}"))]);
        Assert.Equal(Dunno + Dunno + Dunno, await ServerUnderTest.ReadToEndAsync(socket));
        Assert.Equal("dunno", await server.AskAsync("good"));
    }

    [Fact]
    public async Task A_request_without_a_virtual_host_costs_one_line_and_its_connection()
    {
        await using var server = await ServerUnderTest.StartAsync($$"""
            policyd { listen = ["127.0.0.1:0"], vhost_by_policy_context = on
              virtual_hosts = [ { name = named, plugins = [ {{ServerUnderTest.Plugin(static _ => ServerUnderTest.Answer("ok"))}} ] } ] }
            """);
        using var socket = await server.ConnectAsync();
        await SendAsync(socket, "request=smtpd_access_policy\npolicy_context=no\u001bbody\n\n");
        Assert.Equal("", await ServerUnderTest.ReadToEndAsync(socket));
        using var good = await server.ConnectAsync();
        await SendAsync(good, "request=smtpd_access_policy\npolicy_context=named\n\n");
        Assert.Equal("action=ok\n\n", await ServerUnderTest.ReadAnswersAsync(good, 1));
        Assert.DoesNotContain(OneLineAbout(server, "no virtual host"), static c => char.IsControl(c));
    }

    private static async Task SendAsync(Socket socket, string text)
    {
        try
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes(text));
        }
        catch (SocketException)
        {
            // The server had enough before the end.
        }
    }

    private static string OneLineAbout(ServerUnderTest server, string what)
    {
        var warnings = server.Log.Lines.Where(static line => line.Level >= LogLevel.Warning).ToList();
        var (_, message) = Assert.Single(warnings);
        Assert.Contains(what, message, StringComparison.Ordinal);
        return message;
    }
}
