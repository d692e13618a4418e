using System.Diagnostics;
using System.Globalization;
using Policyd.Plugins.Sessions;
using Policyd.Plugins.Smtp;
using Policyd.Tests.Counters;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Smtp;

/// <summary>SMTPVerify asks one configured server, which says what a test scripts.</summary>
public sealed class SmtpVerifySpecs(ITestOutputHelper output)
{
    private const string Actions = "temp_fail_action = \"defer T %MSG%\", perm_fail_action = \"reject P %MSG%\"";
    private const string Scores = "temp_fail_score = 1, perm_fail_score = 2, has_starttls_score = 10, no_starttls_score = 20";
    private static readonly string[] s_commands = ["GREETING", "EHLO", "MAIL", "RCPT"];
    private static readonly string[] s_unfinishedReplies = ["", "25", "250-goes on\r\n"];

    [Theory]
    [InlineData("RCPT", "250 2.1.5 Ok", "dunno", "10", "v-a@x.test-starttls=10")]
    [InlineData("RCPT", "251 will forward", "dunno", "10", "v-a@x.test-starttls=10")]
    [InlineData("RCPT", "252 cannot tell", "dunno", "10", "v-a@x.test-starttls=10")]
    [InlineData("RCPT", "550 5.1.1 no such user", "reject P 5.1.1 no such user", "12", "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData("RCPT", "450 4.2.0 greylisted", "defer T 4.2.0 greylisted", "11", "v-a@x.test-starttls=10, v-a@x.test=1")]
    [InlineData("RCPT", "421 4.3.2 closing", "defer T 4.3.2 closing", "11", "v-a@x.test-starttls=10, v-a@x.test=1")]
    [InlineData("RCPT", "550", "reject P ", "12", "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData(
        "RCPT",
        "550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user",
        "reject P 5.1.1 no such user",
        "12",
        "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData("RCPT", "550 4.7.1 try again", "reject P try again", "12", "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData("RCPT", "550-2.0.0 a\r\n550 2.0.0 b", "reject P a b", "12", "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData("MAIL", "552 5.3.4 too big", "reject P 5.3.4 too big", "12", "v-a@x.test-starttls=10, v-a@x.test=2")]
    [InlineData("MAIL", "452 busy", "defer T busy", "11", "v-a@x.test-starttls=10, v-a@x.test=1")]
    [InlineData("EHLO", "250 mx.test", "dunno", "20", "v-a@x.test-starttls=20")]
    [InlineData("EHLO", "502 what?", "dunno", "20", "v-a@x.test-starttls=20")]
    [InlineData("EHLO", "421 busy", "defer T busy", "1", "v-a@x.test=1")]
    [InlineData("GREETING", "554 go away", "reject P go away", "2", "v-a@x.test=2")]
    [InlineData("GREETING", "421 busy", "defer T busy", "1", "v-a@x.test=1")]
    public async Task Reply_is_answered_and_scored(string command, string reply, string answer, string score, string detail)
    {
        await using var server = new ScriptedSmtpServer().On(command, reply);
        var policy = Policy(server.Port, Actions + ", " + Scores);
        Assert.Equal(answer, await policy.AskAsync(("sender", "a@x.test")) ?? "dunno");
        Assert.Equal((score, detail), (policy.Session["score"], policy.Session["score_detail"]));
    }

    [Fact]
    public async Task Dialogue_goes_up_to_the_recipient_and_ends_with_quit()
    {
        await using var server = new ScriptedSmtpServer();
        await Policy(server.Port, "").AskAsync(("sender", "a@x.test"), ("recipient", "me@here.test"), ("size", "123"));
        await Eventually.Holds("the end of the connection", () => server.Ended == 1);
        Assert.Equal(["EHLO policy.test", "MAIL FROM:<me@here.test> SIZE=123", "RCPT TO:<a@x.test>", "QUIT"], server.Commands);
    }

    [Theory]
    [InlineData("", "MAIL FROM:<r@here.test> SIZE=7", "RCPT TO:<s@x.test>")]
    [InlineData("sender = \"fixed@me.test\"", "MAIL FROM:<fixed@me.test> SIZE=7", "RCPT TO:<s@x.test>")]
    [InlineData("sender = \"<>\"", "MAIL FROM:<> SIZE=7", "RCPT TO:<s@x.test>")]
    [InlineData("sender_field = sender, recipient_field = recipient", "MAIL FROM:<s@x.test> SIZE=7", "RCPT TO:<r@here.test>")]
    [InlineData("sender_field = sasl_username", "MAIL FROM:<> SIZE=7", "RCPT TO:<s@x.test>")]
    [InlineData("sender_field = helo_name", "MAIL FROM:<> SIZE=7", "RCPT TO:<s@x.test>")]
    [InlineData("size_field = stress", "MAIL FROM:<r@here.test>", "RCPT TO:<s@x.test>")]
    [InlineData("size_field = helo_name", "MAIL FROM:<r@here.test>", "RCPT TO:<s@x.test>")]
    public async Task Fields_say_what_is_asked(string options, string mail, string recipient)
    {
        await using var server = new ScriptedSmtpServer();
        await Policy(server.Port, options).AskAsync(
            ("sender", "s@x.test"), ("recipient", "r@here.test"), ("size", "7"), ("helo_name", "12abc"));
        Assert.Equal(mail, Assert.Single(server.CommandsOf("MAIL")));
        Assert.Equal(recipient, Assert.Single(server.CommandsOf("RCPT")));
    }

    [Fact]
    public async Task Address_is_asked_for_once_a_mail_and_answered_each_time()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        var policy = Policy(server.Port, Actions + ", " + Scores);
        for (var recipient = 0; recipient < 3; recipient++)
        {
            Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@x.test"), ("recipient", $"r{recipient}@here.test")));
            Assert.Equal("12", policy.Session["score"]);
        }

        Assert.Equal(1, server.Connections);
        await policy.AskAsync(("sender", "b@x.test"));
        Assert.Equal("24", policy.Session["score"]);
        policy.NewMail();
        await policy.AskAsync(("sender", "a@x.test"));
        Assert.Equal(3, server.Connections);
    }

    [Fact]
    public async Task Verdict_lives_in_a_stored_session()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "450 4.2.0 wait");
        var policy = Policy(server.Port, Actions);
        await policy.AskAsync(("sender", "a@x.test"));
        var stored = Session.FromJson(policy.Session.ToJson());
        Assert.True(stored.TryGet<SmtpVerdict>("v-a@x.test-result", out var verdict));
        Assert.Equal(new SmtpVerdict(SmtpOutcome.Temporary, "4.2.0 wait") { HasStartTls = true }, verdict);
    }

    [Theory]
    [InlineData("", "enabled = on")]
    [InlineData("postmaster", "enabled = on")]
    [InlineData("a@x.test", "enabled = off")]
    public async Task Nothing_to_verify_asks_nobody(string sender, string options)
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        Assert.Equal("dunno", await Policy(server.Port, Actions + ", " + options).AskAsync(("sender", sender)) ?? "dunno");
        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task Enabled_can_be_of_the_user()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        var policy = new PolicyUnderTest(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{{ module = SetField, key = wants, value = off }}, {{ name = v, module = SMTPVerify, host = \"127.0.0.1\", port = "
                    + $"{server.Port}, uc_enabled = wants, {Actions} }}"));
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@x.test")) ?? "dunno");
        Assert.Equal(0, server.Connections);
    }

    [Theory]
    [InlineData("a\u0001RSET@x.test")]
    [InlineData("a@x..test")]
    [InlineData("a@x test")]
    public async Task What_can_be_no_address_fails_for_good_without_a_call(string sender)
    {
        await using var server = new ScriptedSmtpServer();
        var policy = Policy(server.Port, Actions + ", " + Scores);
        Assert.Equal("reject P this is not a valid address", await policy.AskAsync(("sender", sender)));
        Assert.Equal("v=2", policy.Session["score_detail"]);
        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task Bytes_of_the_server_are_one_line_of_text_in_the_answer()
    {
        await using var server = new ScriptedSmtpServer().OnRaw("RCPT", "550 a\u0001b\u00ff\u00fe %MSG% \u001b[31m\rc\r\n");
        Assert.Equal("reject P a?b?? %MSG% ?[31m?c", await Policy(server.Port, Actions).AskAsync(("sender", "a@x.test")));
        server.On("RCPT", "550 " + new string('x', 1500));
        Assert.Equal("reject P " + new string('x', 300), await Policy(server.Port, Actions).AskAsync(("sender", "a@x.test")));
    }

    [Theory]
    [InlineData("250 mx.test", "reject no TLS")]
    [InlineData("250-mx.test\r\n250 STARTTLS", "dunno")]
    public async Task Server_without_starttls_can_be_acted_upon(string ehlo, string answer)
    {
        await using var server = new ScriptedSmtpServer().On("EHLO", ehlo);
        Assert.Equal(
            answer, await Policy(server.Port, "no_starttls_action = \"reject no TLS\"").AskAsync(("sender", "a@x.test")) ?? "dunno");
        server.On("RCPT", "550 no");
        Assert.Equal(
            "reject P no",
            await Policy(server.Port, Actions + ", no_starttls_action = \"reject no TLS\"").AskAsync(("sender", "a@x.test")));
    }

    public static TheoryData<string, string, bool> BadServers()
    {
        var data = new TheoryData<string, string, bool>();
        foreach (var command in s_commands)
        {
            data.Add(command, "", true);
            data.Add(command, "250 half a line", true);
            data.Add(command, "garbage\r\n", false);
            data.Add(command, "\0\u00ff\u0001\n", false);
            data.Add(command, "354 go on\r\n", false);
            data.Add(command, "999 what\r\n", false);
            data.Add(command, "250-a\r\n550 b\r\n", false);
            data.Add(command, "250 a\r\n250 b\r\n250 c\r\n", false);
            data.Add(command, new string('x', 300_000), false);
            data.Add(command, string.Concat(Enumerable.Repeat("250-x\r\n", 50_000)), false);
            data.Add(command, "421 4.3.2 closing\r\n", true);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Server_that_misbehaves_is_a_temporary_failure_in_time(string command, string reply, bool closes)
    {
        var detail = await TemporaryFailure(command, reply, closes, Scores);

        // Once it knows what is offered it scores that, whatever comes afterwards.
        Assert.Equal(command is "MAIL" or "RCPT", detail.Contains("starttls=10", StringComparison.Ordinal));
    }

    [SoakTest("waits for a timeout of 4 s")]
    [Fact]
    public Task Server_that_falls_silent_is_a_temporary_failure_in_time() => Task.WhenAll(
        from command in s_commands
        from reply in s_unfinishedReplies
        select TemporaryFailure(command, reply, closes: false, Scores + ", timeout = 4s"));

    [Fact]
    public async Task Server_that_drips_does_not_stretch_the_time()
    {
        await using var dripping = new AcceptLoop(async (socket, ct) =>
        {
            using var _ = socket;
            try
            {
                while (true)
                {
                    await socket.SendAsync("2"u8.ToArray(), ct);
                    await Task.Delay(20, ct);
                }
            }
            catch (Exception exception) when (exception is System.Net.Sockets.SocketException or OperationCanceledException)
            {
                // The client has had enough.
            }
        });
        var waited = Stopwatch.StartNew();
        var policy = Policy(dripping.Port, Actions + ", timeout = 4s");
        Assert.Equal(
            "defer T the mail server of x.test cannot be reached",
            await Eventually.Ends("the answer", policy.AskAsync(("sender", "a@x.test"))));
        Summary.Line(output, $"smtp: a server that drips, time 4 s: {waited.Elapsed.TotalMilliseconds:F0} ms");
    }

    [Fact]
    public async Task Away_is_warned_of_once_and_without_an_action_the_mail_goes_on()
    {
        var policy = Policy(FreePort.Next(), Scores);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("dunno", await policy.AskAsync(("sender", $"a{i}@x.test")) ?? "dunno");
        }

        Assert.Single(policy.Log.Lines, line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning);
        Assert.Equal("5", policy.Session["score"]);
    }

    [Fact]
    public async Task Away_is_a_temporary_failure_and_the_answer_names_no_host_of_ours()
    {
        var policy = Policy(FreePort.Next(), Actions);
        Assert.Equal("defer T the mail server of x.test cannot be reached", await policy.AskAsync(("sender", "a@x.test")));
    }

    [Theory]
    [InlineData("MAIL", "")]
    [InlineData("RCPT", "")]
    [InlineData("RCPT", "garbage\r\n")]
    public async Task Server_that_leaves_at_one_address_is_asked_about_the_next(string command, string reply)
    {
        await using var server = new ScriptedSmtpServer().OnRaw(command, reply, closes: true);
        var policy = Policy(server.Port, Actions);
        Assert.Equal("defer T the mail server of x.test cannot be reached", await policy.AskAsync(("sender", "evil@x.test")));
        server.On("MAIL", "250 ok").On("RCPT", "550 no");
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "good@x.test")));
        Assert.DoesNotContain(policy.Log.Lines, static line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH\r\n", "it does not speak SMTP")]
    [InlineData("", "it closed the connection")]
    public async Task Reason_of_a_host_that_is_away_is_told(string greeting, string reason)
    {
        await using var server = new ScriptedSmtpServer().OnRaw("GREETING", greeting, closes: true);
        var policy = Policy(server.Port, Actions);
        using var failures = new MetricListener("policyd.source.failures", ("source", "smtp"), ("connection", "v"));
        using var suppressed = new MetricListener("policyd.source.suppressed", ("source", "smtp"), ("connection", "v"));
        await policy.AskAsync(("sender", "a@x.test"));
        await policy.AskAsync(("sender", "b@x.test"));
        Assert.Single(policy.Log.Lines, line => line.Level == Microsoft.Extensions.Logging.LogLevel.Warning
            && line.Message.EndsWith($": 127.0.0.1 [127.0.0.1]: {reason}; addresses are not verified", StringComparison.Ordinal));
        Assert.True(failures.Sum >= 2 && suppressed.Sum >= 1);
    }

    [Fact]
    public async Task Name_that_is_unknown_is_told_as_the_reason()
    {
        var policy = new PolicyUnderTest($"{{ name = v, module = SMTPVerify, host = \"nowhere.invalid\", {Actions} }}");
        Assert.Equal("defer T the mail server of x.test cannot be reached", await policy.AskAsync(("sender", "a@x.test")));
        Assert.DoesNotContain(policy.Log.Containing("the mail server nowhere.invalid, port 25: "), static line =>
            line.Contains("x.test", StringComparison.Ordinal) || line.Contains("does not answer", StringComparison.Ordinal));
        Assert.NotEmpty(policy.Log.Containing("the mail server nowhere.invalid, port 25: nowhere.invalid: "));
    }

    [Fact]
    public async Task Host_can_be_a_name_of_the_system()
    {
        await using var server = new ScriptedSmtpServer().On("RCPT", "550 no");
        var policy = new PolicyUnderTest(string.Create(
            CultureInfo.InvariantCulture, $"{{ name = v, module = SMTPVerify, host = localhost, port = {server.Port}, {Actions} }}"));
        Assert.Equal("reject P no", await policy.AskAsync(("sender", "a@x.test")));
    }

    [Theory]
    [InlineData("port = 0", "port")]
    [InlineData("port = 70000", "port")]
    [InlineData("host = \"010.0.0.1\"", "host: \"010.0.0.1\" is not a valid host name or address")]
    [InlineData("host = \"134744072\"", "host: \"134744072\" is not a valid host name or address")]
    [InlineData("host = \"a b\"", "host: \"a b\" is not a valid host name or address")]
    [InlineData("host = \"-a..b\"", "is not a valid host name")]
    [InlineData("host = \"a\\u0000b\"", "is not a valid host name")]
    [InlineData("host = \"mx.x.test:25\"", "is not a valid host name or address; the port is an option of its own, port")]
    [InlineData("host = \"[mx.x.test]\"", "; write it without brackets")]
    [InlineData("sender = nobody", "is neither an address")]
    [InlineData("sender = \"a\\r\\nDATA@x.test\"", "is neither an address")]
    [InlineData("helo_name = \"a b\"", "is not a valid host name")]
    [InlineData("perm_fail_action = \"rejct %MSG%\"", "did you mean")]
    [InlineData("temp_fail_action = \"%MSG%\"", "temp_fail_action")]
    public void Mistake_in_the_options_is_told_at_start(string option, string message)
    {
        PolicyUnderTest.Build(
            $"policyd {{ virtual_hosts = [ {{ port = 1, plugins = [ {{ module = SMTPVerify, {option} }} ] }} ] }}", out var diagnostics);
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(message, StringComparison.Ordinal));
    }

    private static async Task<string> TemporaryFailure(string command, string reply, bool closes, string options)
    {
        await using var server = new ScriptedSmtpServer().OnRaw(command, reply, closes);
        var policy = Policy(server.Port, options);
        Assert.Equal("dunno", await Eventually.Ends("the answer", policy.AskAsync(("sender", "a@x.test"))) ?? "dunno");
        var detail = policy.Session["score_detail"] ?? string.Empty;
        Assert.True(detail.Split(", ")[^1] == "v-a@x.test=1", $"{command} answered with \"{reply}\" scores \"{detail}\"");
        Assert.Null(policy.Last.Failure);
        await Eventually.Holds("the connection to be closed", () => server.Ended == server.Connections || server.Connections == 0);
        return detail;
    }

    private static PolicyUnderTest Policy(int port, string options) =>
        new(string.Create(
            CultureInfo.InvariantCulture,
            $"{{ name = v, module = SMTPVerify, host = \"127.0.0.1\", port = {port}, helo_name = policy.test, {options} }}"));
}
