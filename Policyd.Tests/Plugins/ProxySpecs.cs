using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>Proxy when the other server is silent, hostile, away, or the server itself.</summary>
public sealed class ProxySpecs
{
    [Fact]
    public async Task Silent_server_costs_one_mail_its_wait_and_is_asked_again_when_it_answers()
    {
        var answers = false;
        var asked = 0;
        await using var other = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            while (await socket.ReceiveAsync(buffer, stop) > 0)
            {
                Interlocked.Increment(ref asked);
                if (Volatile.Read(ref answers))
                {
                    await socket.SendAsync("action=reject other\n\n"u8.ToArray(), stop);
                }
            }
        });
        await using var policy = Proxy(other.Port, "wait = 300ms");
        Assert.Equal("dunno", await policy.AskAsync());
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 200; i++)
        {
            Assert.Equal("dunno", await policy.AskAsync());
        }

        // One probe, or two on a slow machine: each takes its wait alone, the others nothing.
        Assert.InRange(asked, 1, 2 + (int)(Stopwatch.GetElapsedTime(began).TotalSeconds / 0.5));
        Volatile.Write(ref answers, true);
        await Eventually.Holds("the other server's answer", async () => await policy.AskAsync() == "reject other");
        Assert.NotEmpty(policy.Log.Containing("gave no answer: timed out after "));
        Assert.InRange(Warnings(policy), 1, 3);
    }

    [SoakTest("waits for two timeouts of 1.5 s, one after the other")]
    [Fact]
    public async Task Mails_at_once_are_one_probe()
    {
        var open = 0;
        var most = 0;
        await using var silent = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            var now = Interlocked.Increment(ref open);
            most = Math.Max(most, now);
            var buffer = new byte[4096];
            while (await socket.ReceiveAsync(buffer, stop) > 0)
            {
            }

            Interlocked.Decrement(ref open);
        });
        await using var policy = Proxy(silent.Port, "wait = 1500ms");
        Assert.Equal("dunno", await policy.AskAsync());
        await Eventually.Holds("the first connection to end", () => Volatile.Read(ref open) == 0);
        most = 0;
        await Eventually.Holds("a probe", () =>
        {
            _ = policy.AskAsync();
            return Volatile.Read(ref open) > 0;
        });
        for (var i = 0; i < 100; i++)
        {
            _ = policy.AskAsync();   // the pause is shorter than the probe
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.Equal(1, most);
    }

    [Fact]
    public async Task Server_that_closes_at_one_mail_is_asked_about_the_next()
    {
        await using var other = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            var text = Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, stop));
            if (!text.Contains("evil", StringComparison.Ordinal))
            {
                await socket.SendAsync("action=reject other\n\n"u8.ToArray(), stop);
            }
        });
        await using var policy = Proxy(other.Port, "");
        Assert.Equal("dunno", await policy.AskAsync(("sender", "evil@example.org")));
        Assert.Equal("reject other", await policy.AskAsync(("sender", "good@example.org")));
    }

    [Fact]
    public async Task Server_that_resets_the_connection_at_one_mail_is_asked_about_the_next()
    {
        await using var other = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            var text = Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, stop));
            if (text.Contains("evil", StringComparison.Ordinal))
            {
                // What a close is for the client when the server has not read all: a request past its bound.
                socket.LingerState = new LingerOption(enable: true, seconds: 0);
                return;
            }

            await socket.SendAsync("action=reject other\n\n"u8.ToArray(), stop);
        });
        await using var policy = Proxy(other.Port, "");
        Assert.Equal("dunno", await policy.AskAsync(("sender", "evil@example.org")));
        Assert.Equal("reject other", await policy.AskAsync(("sender", "good@example.org")));
    }

    [Fact]
    public async Task Kept_connections_that_the_way_has_lost_cost_one_mail_its_wait()
    {
        await using var other = new ForgettingServer(static _ => "action=reject other\n\n"u8.ToArray());
        await using var policy = Proxy(other.Port, "keepalive = on, wait = 1s");
        other.Hold(most: 4);
        await Eventually.Ends("four mails", Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Ask())));
        Assert.Equal(4, other.Connections);
        other.Forget();
        Assert.Equal("dunno", await Eventually.Ends("the answer", Ask()));
        await Eventually.Holds("the other server's answer", async () => await Ask() == "reject other");
        Assert.Equal(1, other.Unanswered);

        async Task<string?> Ask() => (await policy.Model.VirtualHosts[0].RunAsync(
            PolicyRequestBuilder.AccessPolicy().ToRequest(), new Session(), Eventually.Timeout)).Action;
    }

    [Fact]
    public async Task Kept_connection_that_was_idle_for_a_minute_is_not_used_again()
    {
        var clock = new ManualClock();
        await using var other = new ForgettingServer(static _ => "action=reject other\n\n"u8.ToArray());
        await using var policy = new PolicyUnderTest(
            clock, $"{{ module = Proxy, host = \"127.0.0.1:{other.Port}\", on_error = dunno, keepalive = on }}");
        Assert.Equal("reject other", await policy.AskAsync());
        Assert.Equal("reject other", await policy.AskAsync());
        Assert.Equal(1, other.Connections);
        other.Forget();
        clock.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal("reject other", await Eventually.Ends("the answer", policy.AskAsync()));
        Assert.Equal((2, 0), (other.Connections, other.Unanswered));
    }

    [Fact]
    public async Task Answer_of_one_long_word_costs_nothing_and_no_long_line()
    {
        await using var other = new OneAnswerServer(Encoding.ASCII.GetBytes($"action={new string('x', 60_000)}\n\n"), closes: true);
        await using var policy = Proxy(other.Port, "");
        Assert.Equal("dunno", await policy.AskAsync());   // the first one compiles
        var cpu = Environment.CpuUsage.TotalTime;
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("dunno", await policy.AskAsync());
        }

        var spent = Environment.CpuUsage.TotalTime - cpu;
        Assert.True(spent < TimeSpan.FromSeconds(10), $"20 answers of a 60 KB word cost {spent.TotalSeconds:0.0} s");
        Assert.All(policy.Log.Lines, static line => Assert.InRange(line.Message.Length, 0, 1000));
    }

    [ServerTest]
    [Fact]
    public async Task Server_that_asks_itself_ends_after_a_few_requests()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (FreePort.Next(), FreePort.Next());
        var file = folder.Write("circle.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{first}}", "127.0.0.1:{{second}}"], admin { listen = off }
              virtual_hosts = [
                { name = one, port = {{first}}, plugins = [ { name = toTwo, module = Proxy, host = "127.0.0.1:{{second}}", on_error = "defer round and round" } ] }
                { name = two, port = {{second}}, plugins = [ { name = toOne, module = Proxy, host = "127.0.0.1:{{first}}", keepalive = on } ] }
              ] }
            """);
        await using var server = await PolicydProcess.Serve(file, first);
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", first), TestContext.Current.CancellationToken);
        using var process = Process.GetProcessById(server.Id);
        var before = process.TotalProcessorTime;
        foreach (var hops in new[] { "0", "-7", "99999999999999999999", "x" })
        {
            foreach (var instance in new[] { "", "7.1" })
            {
                var request = PolicyRequestBuilder.AccessPolicy()
                    .Add("recipient", "b@example.org")
                    .Add("instance", instance)
                    .Add("policyd_proxy_hops", hops)
                    .ToBytes();
                Assert.Equal(
                    "defer round and round",
                    await Eventually.Ends("an answer", client.AskAsync(request, TestContext.Current.CancellationToken).AsTask()));
            }
        }

        process.Refresh();
        var spent = process.TotalProcessorTime - before;
        Assert.True(spent < TimeSpan.FromSeconds(5), $"eight requests cost {spent.TotalSeconds:0.0} s");
        await server.Prints("has passed 5 proxies");
        Assert.DoesNotContain(server.Lines, static line => line.Contains("timed out", StringComparison.Ordinal));
    }

    [ServerTest]
    [Fact]
    public async Task Server_asks_itself_about_the_same_mail_and_waits_for_no_session()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (FreePort.Next(), FreePort.Next());
        var file = folder.Write("own.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{first}}", "127.0.0.1:{{second}}"], admin { listen = off }
              virtual_hosts = [
                { name = one, port = {{first}}, plugins = [ { name = toTwo, module = Proxy, host = "127.0.0.1:{{second}}" } ] }
                { name = two, port = {{second}}, plugins = [
                  { name = s, module = Condition, key = recipient, match = "a@example.org", score = 5 }
                  { name = no, module = ScoreAction, threshold = 5, action = "reject scored" }
                  { name = yes, module = Action, action = "dunno" } ] }
              ] }
            """);
        await using var server = await PolicydProcess.Serve(file, first);
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", first), TestContext.Current.CancellationToken);
        foreach (var (recipient, action) in new[]
        {
            ("b@example.org", "dunno"), ("a@example.org", "reject scored"), ("c@example.org", "reject scored")
        })
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("recipient", recipient).Add("instance", "7.1").ToBytes();
            Assert.Equal(
                action, await Eventually.Ends("an answer", client.AskAsync(request, TestContext.Current.CancellationToken).AsTask()));
        }

        Assert.DoesNotContain(server.Lines, static line => line.Contains("timed out", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Control_characters_of_the_other_servers_text_are_sent_as_spaces_as_postfix_would()
    {
        await using var other = new AcceptLoop(static async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            await socket.ReceiveAsync(buffer, stop);
            await socket.SendAsync("action=450 4.7.1\tcome again\n\n"u8.ToArray(), stop);
        });
        await using var policy = Proxy(other.Port, "");
        Assert.Equal("450 4.7.1 come again", await policy.AskAsync());
    }

    [Fact]
    public async Task Text_of_the_other_server_in_another_charset_still_rejects()
    {
        await using var other = new AcceptLoop(static async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            await socket.ReceiveAsync(buffer, stop);
            await socket.SendAsync(Encoding.Latin1.GetBytes("action=reject Gr\u00fc\u00dfe\n\n"), stop);
        });
        await using var policy = Proxy(other.Port, "");
        Assert.Equal("reject Gr??e", await policy.AskAsync());
    }

    private static PolicyUnderTest Proxy(int port, string options) =>
        new($"{{ module = Proxy, host = \"127.0.0.1:{port}\", on_error = dunno, {options} }}");

    private static int Warnings(PolicyUnderTest policy) =>
        policy.Log.Lines.Count(static line => line.Level >= Microsoft.Extensions.Logging.LogLevel.Warning);
}
