using System.Text;
using CsCheck;
using Policyd.Backends.Fail2Ban;
using Policyd.Plugins.Fail2Ban;
using Policyd.Tests.Counters;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>Fail2Ban against a real fail2ban without any action, and against sockets that speak nonsense.</summary>
public sealed class Fail2BanSpecs
{
    [SoakTest("waits for two timeouts of 2 s, one after the other")]
    [Fact]
    public async Task Mails_at_once_are_one_probe_of_a_fail2ban_that_says_nothing()
    {
        using var folder = new TemporaryFolder();
        var (open, most) = (0, 0);
        await using var silent = new AcceptLoop(
            async (socket, stop) =>
            {
                using var _ = socket;
                most = Math.Max(most, Interlocked.Increment(ref open));
                var buffer = new byte[4096];
                while (await socket.ReceiveAsync(buffer, stop) > 0)
                {
                }

                Interlocked.Decrement(ref open);
            },
            folder["silent.sock"]);
        await using var policy = new PolicyUnderTest($"{{ module = Fail2Ban, socket = \"{folder["silent.sock"]}\", timeout = 2s }}");
        await policy.AskAsync();
        await Eventually.Holds("the first connection to end", () => Volatile.Read(ref open) == 0);
        most = 0;
        await Eventually.Holds("a probe", () =>
        {
            _ = policy.AskAsync();
            return Volatile.Read(ref open) > 0;
        });
        await Eventually.Holds("the probe to end, with mails all the while", () =>
        {
            _ = policy.AskAsync();
            return Volatile.Read(ref open) == 0;
        });
        Assert.Equal(1, most);
    }

    [ServerTest]
    [Fact]
    public async Task Client_is_banned_once_a_mail()
    {
        await using var fail2Ban = await Fail2BanServer.StartNew("policyd");
        var policy = Policy(fail2Ban.Socket, "policyd");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Single(policy.Log.Containing("banned 192.0.2.7 in policyd"));
        Assert.Equal("192.0.2.7", Assert.Single(await fail2Ban.BannedAsync("policyd")));
    }

    [ServerTest]
    [Fact]
    public async Task Jail_that_is_not_there_is_told_in_its_words()
    {
        await using var fail2Ban = await Fail2BanServer.StartNew("policyd");
        var policy = Policy(fail2Ban.Socket, "nosuchjail");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Single(
            policy.Log.Containing("did not ban 192.0.2.7 in nosuchjail"), line => line.Contains("UnknownJail", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Jail_that_refuses_all_is_told_in_few_lines()
    {
        using var folder = new TemporaryFolder();
        var refusal = Encoding.Latin1.GetBytes("\u0080\u0002K\u0001X\u0002\u0000\u0000\u0000no\u0086.<F2B_END_COMMAND>");
        await using var server = new OneAnswerServer(refusal, closes: true, folder["f.sock"]);
        var policy = Policy(folder["f.sock"], "gone");
        for (var mail = 0; mail < 50; mail++)
        {
            policy.NewMail();
            Assert.Equal("dunno", await policy.AskAsync(("client_address", $"192.0.2.{mail}")));
        }

        Assert.Equal(50, server.Connections);
        Assert.InRange(policy.Log.Lines.Count(static line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning), 1, 6);
        Assert.NotEmpty(policy.Log.Containing("fail2ban did not ban 192.0.2.0 in gone: no"));
    }

    [Theory]
    [InlineData("unknown")]
    [InlineData("")]
    [InlineData("192.0.2.7; rm -rf /")]
    [InlineData("1.2.3")]
    [InlineData("134744072")]
    [InlineData("0177.0.0.1")]
    [InlineData("[::1]:25")]
    [InlineData("fe80::1%lo")]
    public async Task What_is_no_address_is_never_sent(string address)
    {
        using var folder = new TemporaryFolder();
        await using var server = new OneAnswerServer([], path: folder["f.sock"]);
        Assert.Equal("dunno", await Policy(folder["f.sock"], "policyd").AskAsync(("client_address", address)));
        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task Off_does_nothing()
    {
        var policy = Policy("/nonexistent/f.sock", "postfix", "enabled = off");
        Assert.Equal("dunno", await policy.AskAsync());
        Assert.Empty(policy.Log.Containing("/nonexistent"));
    }

    [Fact]
    public async Task Away_is_warned_of_once_and_the_mail_goes_on()
    {
        var policy = Policy("/nonexistent/f.sock", "postfix");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("dunno", await policy.AskAsync());
        }

        var warning = Assert.Single(policy.Log.Lines, line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning);
        Assert.Contains("/nonexistent/f.sock: the socket does not exist; ", warning.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, bool> BadServers => new()
    {
        { "", false },
        { "", true },
        { "garbage", true },
        { "garbage<F2B_END_COMMAND>", false },
        { "\u0080\u0002K\u0000<F2B_END_COMMAND>", false },
        { "\u0080\u0002X\u00ff\u00ff\u00ff\u00ff.<F2B_END_COMMAND>", false },
        { "\u0080\u0002X\u00ff\u00ff\u00ff\u007f.<F2B_END_COMMAND>", false },
        { "\u0080\u0002cos\nsystem\n(X\u0002\u0000\u0000\u0000lstR.<F2B_END_COMMAND>", false },
        { new string('x', 200_000), false },
    };

    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Server_that_speaks_nonsense_or_nothing_costs_no_answer(string answer, bool closes)
    {
        using var folder = new TemporaryFolder();
        await using var server = new OneAnswerServer(Encoding.Latin1.GetBytes(answer), closes, folder["f.sock"]);
        var policy = Policy(folder["f.sock"], "policyd", "timeout = 4s");
        Assert.Equal("dunno", await Eventually.Ends("the answer", policy.AskAsync()));

        // A machine that is busy may take the connection after the plugin has given it up.
        await Eventually.Holds("one connection", () => server.Connections == 1);
        Assert.Empty(policy.Log.Containing("banned 192.0.2.7 in"));
    }

    [Fact]
    public void Command_is_the_pickle_of_a_list() => Assert.Equal(
        "\u0080\u0002](X\u0003\u0000\u0000\u0000setX\u0005\u0000\u0000\u0000banipe.<F2B_END_COMMAND>",
        Encoding.Latin1.GetString(Fail2BanProtocol.Command("set", "banip")));

    [Theory]
    [InlineData("8005950700000000000000" + "4B004B01" + "86942E", 0, "")]
    [InlineData("80024B014B0186712E", null, "")]
    [InlineData("80024B014B0186" + "71002E", 1, "")]
    [InlineData("80054B018C026162862E", 1, "ab")]
    [InlineData("", null, "")]
    [InlineData("2E", null, "")]
    [InlineData("80", null, "")]
    public void Reply_is_read(string pickle, int? status, string text)
    {
        var reply = Fail2BanProtocol.Read(Convert.FromHexString(pickle));
        Assert.Equal(status, reply?.Status);
        Assert.Equal(text, reply?.Text ?? "");
    }

    [Fact]
    public void Any_bytes_are_read_without_an_exception() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        _ = Fail2BanProtocol.Read(bytes);
    });

    [Theory]
    [InlineData("socket = \"/PATH200\"", "socket: the path of the socket has 201 bytes, and the system allows 107")]
    [InlineData("socket = \"\"", "socket: the path of the socket is empty")]
    [InlineData("socket = \"/run/a\\u0000b\"", "socket: the path of the socket contains a zero character")]
    [InlineData("jail = \"\"", "jail: the name of the jail is empty")]
    [InlineData("jail = \"a\\nb\"", "jail: the name of the jail contains a control character")]
    [InlineData("jail = \"a\\u0000\"", "jail: the name of the jail contains a control character")]
    public void Socket_or_jail_that_can_be_none_is_told_at_start(string option, string message)
    {
        option = option.Replace("PATH200", new string('x', 200), StringComparison.Ordinal);
        PolicyUnderTest.Build(
            $"policyd {{ virtual_hosts = [ {{ port = 1, plugins = [ {{ module = Fail2Ban, {option} }} ] }} ] }}", out var diagnostics);
        Assert.Contains(message, Assert.Single(diagnostics.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_of_ipv4_that_is_written_as_ipv6_is_banned_as_ipv4()
    {
        using var folder = new TemporaryFolder();
        var command = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new AcceptLoop(
            async (socket, stop) =>
            {
                using var _ = socket;
                var buffer = new byte[4096];
                command.TrySetResult(Encoding.Latin1.GetString(buffer, 0, await socket.ReceiveAsync(buffer, stop)));
            },
            folder["f.sock"]);
        using var failures = new MetricListener("policyd.source.failures", ("source", "fail2ban"), ("connection", "ban"));
        await Policy(folder["f.sock"], "policyd").AskAsync(("client_address", "::ffff:192.0.2.9"));
        Assert.Contains("\u0009\0\0\0192.0.2.9", await Eventually.Ends("the command", command.Task), StringComparison.Ordinal);
        Assert.True(failures.Sum >= 1);   // it closed without a reply
    }

    private static PolicyUnderTest Policy(string socket, string jail, string options = "") =>
        new($"{{ name = ban, module = Fail2Ban, socket = \"{socket}\", jail = {jail}, {options} }}");
}
