using System.Globalization;
using System.Text;
using Policyd.Tests.Counters;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>CtIpRep against a server that answers as ctipd does, and against ones that do not.</summary>
public sealed class CtIpRepSpecs
{
    [Theory]
    [InlineData(
        "permfail",
        "",
        "reject 550 delivery from 192.0.2.7 is rejected. Check at "
            + "http://www.commtouch.com/Site/Resources/Check_IP_Reputation.asp. Reference code: abc1",
        null)]
    [InlineData(
        "tempfail",
        "",
        "defer 450 delivery from 192.0.2.7 is deferred,repeatedly. Send again or check at "
            + "http://www.commtouch.com/Site/Resources/Check_IP_Reputation.asp. Reference code: abc1",
        null)]
    [InlineData("accept", "permfail_score = 5", "dunno", null)]
    [InlineData("permfail", "permfail_mode = passive, permfail_score = 5", "dunno", "5")]
    [InlineData("tempfail", "tempfail_mode = passive, tempfail_score = 2.5", "dunno", "2.5")]
    [InlineData("permfail", "permfail_mode = defer, defer_message = \"no %IP% %REFID%\"", "defer no 192.0.2.7 abc1", null)]
    [InlineData("tempfail", "tempfail_mode = reject, reject_message = \"go away\"", "reject go away", null)]
    [InlineData("permfail", "enabled = off", "dunno", null)]
    public async Task Result_is_acted_upon(string result, string options, string answer, string? score)
    {
        await using var daemon = Daemon($"x-ctch-pver:1.0\r\n\r\nx-ctch-dm-action:{result}\r\nx-ctch-refid:abc1\r\n");
        var policy = Policy(daemon.Port, options);
        Assert.Equal(answer, await policy.AskAsync());
        Assert.Equal(score, policy.Session["score"]);
        Assert.Equal(answer, await policy.AskAsync());
        Assert.Equal(score, policy.Session["score"]);
    }

    [Fact]
    public async Task Reference_from_the_network_stays_in_one_line()
    {
        await using var daemon = Daemon("x-ctch-dm-action: permfail\nx-ctch-refid: a\u0001\u2028b\n");
        var answer = await Policy(daemon.Port, "reject_message = \"no %REFID%\"").AskAsync();
        Assert.StartsWith("reject no a", answer, StringComparison.Ordinal);
        Assert.DoesNotContain(answer!, char.IsControl);
    }

    [Fact]
    public async Task Reference_that_is_not_utf8_does_not_fail_the_mail()
    {
        await using var daemon = new OneAnswerServer(
            [.. "HTTP/1.1 200 OK\r\ncontent-length: 43\r\n\r\nx-ctch-dm-action:permfail\r\nx-ctch-refid:"u8, 0xff, .. "\r\n"u8]);
        Assert.Equal("reject no ?", await Policy(daemon.Port, "reject_message = \"no %REFID%\"").AskAsync());
    }

    public static TheoryData<string, bool> BadServers => new()
    {
        { "", false },
        { "", true },
        { "garbage\r\n\r\n", true },
        { "HTTP/1.1 200 OK\r\n\r\n", true },
        { "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx-ctch-dm-action:permfail", true },
        { "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx-ctch-dm-action:permfail", false },
        { "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", false },
        { "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n", false },
        { "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\nx-ctch-dm-action:weird", false },
        { "HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n", false },
        { "HTTP/1.1 200 OK\r\n\r\n" + new string('x', 300_000), true },
        { "HTTP/1.1 200 OK\r\n" + new string('x', 300_000), false },
    };

    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Server_that_speaks_nonsense_or_nothing_costs_no_answer(string reply, bool closes)
    {
        await using var server = new OneAnswerServer(Encoding.Latin1.GetBytes(reply), closes);
        var policy = Policy(server.Port, "permfail_score = 5, timeout = 4s");
        Assert.Equal("dunno", await Eventually.Ends("the answer", policy.AskAsync()));
        Assert.Null(policy.Session["score"]);
        Assert.NotEmpty(policy.Log.Containing("ctipd: "));
    }

    [Fact]
    public async Task Next_request_of_a_mail_asks_again_after_a_failure()
    {
        var asked = 0;
        await using var daemon = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            await socket.ReceiveAsync(new byte[4096], stop);
            var isFirst = Interlocked.Increment(ref asked) == 1;
            const string Found = "x-ctch-dm-action:permfail\r\n";
            await socket.SendAsync(
                Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 {(isFirst ? "503 Busy" : "200 OK")}\r\ncontent-length: {Found.Length}\r\nconnection: close\r\n\r\n{Found}"),
                stop);
        });
        var clock = new SetClock();
        await using var policy = new PolicyUnderTest(
            clock,
            $"{{ name = ct, module = CtIpRep, url = \"http://127.0.0.1:{daemon.Port}/\", reject_message = no, permfail_score = 5 }}");
        policy.Timeout = TimeSpan.FromSeconds(60);
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Equal("dunno", await policy.AskAsync());   // within the pause: not asked
        Assert.Equal(1, asked);
        clock.Now += TimeSpan.FromSeconds(6);
        Assert.Equal("reject no", await policy.AskAsync());
        Assert.Equal("reject no", await policy.AskAsync());
        Assert.Equal((2, "5"), (asked, policy.Session["score"]));
    }

    [Fact]
    public async Task Connection_is_kept_for_the_next_mail()
    {
        await using var daemon = Daemon("x-ctch-dm-action:accept\r\n");
        for (var i = 0; i < 5; i++)
        {
            await Policy(daemon.Port, "").AskAsync();
        }

        Assert.Equal(1, daemon.Connections);
    }

    // As mtpolicyd's LWP does.
    [Theory]
    [InlineData("us%40er:pa%3Ass@", "Basic dXNAZXI6cGE6c3M=")]
    [InlineData("", null)]
    public async Task User_and_password_of_the_url_are_sent(string who, string? expected)
    {
        var head = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            var buffer = new byte[4096];
            head.TrySetResult(Encoding.Latin1.GetString(buffer, 0, await socket.ReceiveAsync(buffer, stop)));
        });
        await using var policy = new PolicyUnderTest($"{{ name = ct, module = CtIpRep, url = \"http://{who}127.0.0.1:{server.Port}/x\" }}");
        await policy.AskAsync();
        var authorization = (await Eventually.Ends("the request", head.Task)).Split("\r\n")
            .Where(static line => line.StartsWith("Authorization: ", StringComparison.Ordinal));
        Assert.Equal(expected is null ? [] : ["Authorization: " + expected], authorization);
        Assert.Empty(policy.Log.Containing("pa%3Ass"));
    }

    [Fact]
    public async Task Nobody_listening_costs_no_answer()
    {
        var policy = Policy(FreePort.Next(), "");
        using var failures = new MetricListener("policyd.source.failures", ("source", "ctipd"), ("connection", "ct"));
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.NotEmpty(policy.Log.Containing("ctipd: Connection refused"));
        Assert.True(failures.Sum >= 1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx-ctch-dm-action:permfail")]
    public async Task What_broke_the_connection_is_told(string reply)
    {
        await using var server = new OneAnswerServer(Encoding.Latin1.GetBytes(reply), closes: true);
        var policy = Policy(server.Port, "");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.DoesNotContain(policy.Log.Containing("ctipd: "), static line =>
            line.Contains("error occurred", StringComparison.Ordinal) || line.Contains("Error while", StringComparison.Ordinal));
        Assert.NotEmpty(policy.Log.Containing("ctipd: "));
    }

    [Theory]
    [InlineData("url = \"ftp://localhost/\"", "http or https")]
    [InlineData("url = \"nowhere\"", "http or https")]
    [InlineData("key = \"a\\r\\nb\"", "control character")]
    public void Mistake_in_the_options_is_told_at_start(string option, string message)
    {
        PolicyUnderTest.Build(
            $"policyd {{ virtual_hosts = [ {{ port = 1, plugins = [ {{ module = CtIpRep, {option} }} ] }} ] }}", out var diagnostics);
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(message, StringComparison.Ordinal));
    }

    private static OneAnswerServer Daemon(string body) =>
        new(Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\ncontent-length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}")));

    private static PolicyUnderTest Policy(int port, string options) =>
        new(string.Create(
            CultureInfo.InvariantCulture, $"{{ name = ct, module = CtIpRep, url = \"http://127.0.0.1:{port}/ctipd/iprep\", {options} }}"));
}
