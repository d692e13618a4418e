using Policyd.Tests.Support;

namespace Policyd.Tests.Postfix;

/// <summary>
/// A real Postfix asks a real policyd, and does what it says. The rows of SMTPD_POLICY_README's conformance that concern a server.
/// </summary>
[ServerTest]
public sealed class PostfixObeysSpecs(PostfixFixture fixture)
{
    private const string DefaultAction = "451 4.3.5 <";

    public static TheoryData<string> Transports => ["tcp", "unix"];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Recipient_is_rejected_deferred_or_accepted_as_we_answer(string transport)
    {
        await using var mail = await Connect(transport);
        await mail.Say("MAIL FROM:<a@example.com>");
        Assert.StartsWith(
            "554 5.7.1 <no@example.org>: Recipient address rejected: no such policy",
            await mail.Say("RCPT TO:<no@example.org>"),
            StringComparison.Ordinal);
        Assert.StartsWith(
            "450 4.7.1 <later@example.org>: Recipient address rejected: come back",
            await mail.Say("RCPT TO:<later@example.org>"),
            StringComparison.Ordinal);
        Assert.StartsWith("250 ", await mail.Say("RCPT TO:<welcome@example.org>"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Header_is_in_the_delivered_mail_once_for_all_its_recipients(string transport)
    {
        var running = await fixture.Get();
        await using var mail = await Connect(transport);
        var sender = $"header-{transport}-{Guid.NewGuid():N}@example.com";
        var (recipients, end) = await mail.Send(sender, "plain@example.org", "one@example.org", "two@example.org");

        Assert.All(recipients, answer => Assert.StartsWith("250 ", answer, StringComparison.Ordinal));
        Assert.StartsWith("250 ", end, StringComparison.Ordinal);
        var text = await running.Sink.Receives(sender);
        Assert.Equal(
            "X-MtScore: NO score=0", Assert.Single(text.Split('\n'), line => line.StartsWith("X-MtScore", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Recipients_of_one_mail_share_a_session_and_the_next_mail_has_a_new_one()
    {
        var running = await fixture.Get();
        await using var mail = await Connect("tcp");
        var first = $"session-{Guid.NewGuid():N}@example.com";
        await mail.Send(first, "one@example.org", "two@example.org");
        var second = $"session-{Guid.NewGuid():N}@example.com";
        await mail.Send(second, "one@example.org");

        // The header is made at the first recipient: its score is the first recipient's, and the next mail begins at zero again.
        Assert.Contains("X-MtScore: NO score=1 [count=1]", await running.Sink.Receives(first), StringComparison.Ordinal);
        Assert.Contains("X-MtScore: NO score=1 [count=1]", await running.Sink.Receives(second), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_virtual_host_is_asked_at_the_end_of_the_mail()
    {
        await fixture.Get();
        await using var mail = await SmtpDialogue.Connect(fixture.EndOfDataPort, "203.0.113.7");
        var (_, few) = await mail.Send("a@example.com", "x@example.org");
        var (_, many) = await mail.Send("a@example.com", "x@example.org", "y@example.org", "z@example.org");
        Assert.StartsWith("250 ", few, StringComparison.Ordinal);
        Assert.StartsWith("554 5.7.1 ", many, StringComparison.Ordinal);
        Assert.Contains("too many recipients", many, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_context_names_the_virtual_host()
    {
        await fixture.Get();
        await using var mail = await SmtpDialogue.Connect(fixture.ContextPort, "203.0.113.7");
        await mail.Say("MAIL FROM:<a@example.com>");
        Assert.Contains("strictly", await mail.Say("RCPT TO:<welcome@example.org>"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failed_plugin_gives_Postfix_its_own_default_and_leaves_the_others_alone()
    {
        await using var mail = await Connect("tcp");
        await mail.Say("MAIL FROM:<a@example.com>");
        Assert.StartsWith(DefaultAction, await mail.Say("RCPT TO:<broken@example.org>"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await mail.Say("RCPT TO:<welcome@example.org>"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failed_plugin_answers_what_its_on_error_says()
    {
        var running = await fixture.Get();
        await using var mail = await Connect("tcp");
        await mail.Say("MAIL FROM:<a@example.com>");
        Assert.Contains("policy service error", await mail.Say("RCPT TO:<fallback@example.org>"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await mail.Say("RCPT TO:<skip@example.org>"), StringComparison.Ordinal);
        await running.Policyd.Prints("ask-three");
    }

    [Fact]
    public async Task Text_reaches_the_client_within_one_line_of_SMTP()
    {
        await using var mail = await Connect("tcp");
        await mail.Say("MAIL FROM:<a@example.com>");
        var answer = await mail.Say("RCPT TO:<long@example.org>");
        Assert.StartsWith("554 5.7.1 ", answer, StringComparison.Ordinal);
        Assert.Contains(new string('x', 400), answer, StringComparison.Ordinal);
        Assert.InRange(answer.Length, 400, 510);
        Assert.StartsWith("554 5.7.1 ", await mail.Say("RCPT TO:<utf8@example.org>"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Code_521_ends_the_connection()
    {
        await using var mail = await Connect("tcp");
        await mail.Say("MAIL FROM:<a@example.com>");
        Assert.StartsWith("521 5.7.1 ", await mail.Say("RCPT TO:<code@example.org>"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_is_kept_and_Postfix_finds_nothing_to_complain_about()
    {
        var running = await fixture.Get();
        var before = Complaints(running);
        await using var mail = await Connect("unix");
        for (var number = 0; number < 20; number++)
        {
            var (recipients, end) = await mail.Send("a@example.com", "welcome@example.org", "no@example.org");
            Assert.StartsWith("250 ", recipients[0], StringComparison.Ordinal);
            Assert.StartsWith("554 ", recipients[1], StringComparison.Ordinal);
            Assert.StartsWith("250 ", end, StringComparison.Ordinal);
        }

        Assert.Equal(before, Complaints(running));
    }

    private static int Complaints(PostfixFixture.Running running) =>
        running.Postfix.Log.Split('\n')
            .Count(line => line.Contains("warning", StringComparison.Ordinal) && line.Contains("policy.sock", StringComparison.Ordinal));

    private async Task<SmtpDialogue> Connect(string transport)
    {
        await fixture.Get();
        return await SmtpDialogue.Connect(transport == "unix" ? fixture.UnixPort : fixture.TcpPort, "203.0.113.7");
    }
}
