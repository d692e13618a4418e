using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Policyd.Protocol;
using Policyd.Tests.Postfix;
using Policyd.Tests.Support;

namespace Policyd.Tests.Protocol;

/// <summary>
/// The grammar held against a real Postfix: each action is answered to it as it stands, and what the SMTP client then sees tells
/// whether Postfix obeyed. Behind the policy service stands <c>reject</c>, so that a permit (250) and no opinion (554) differ.
/// </summary>
[ServerTest]
public sealed class GrammarAgainstPostfixSpecs
{
    private const string Permit = "250 ";
    private const string NoOpinion = "554 5.7.1 <$>: Recipient address rejected: Access denied";
    private const string Broken = "451 4.3.5 ";

    private static readonly (string Action, string Answer, ActionVerdict Verdict)[] Table =
    [
        ("dunno", NoOpinion, ActionVerdict.Fits),
        ("DuNnO whatever", NoOpinion, ActionVerdict.Fits),
        ("ok", Permit, ActionVerdict.Fits),
        ("RELAY", Permit, ActionVerdict.Fits),
        ("12345", Permit, ActionVerdict.Fits),
        ("reject no way", "554 5.7.1 <$>: Recipient address rejected: no way", ActionVerdict.Fits),
        ("defer later", "450 4.7.1 <$>: Recipient address rejected: later", ActionVerdict.Fits),
        ("550 5.7.9 not you", "550 5.7.9 <$>: Recipient address rejected: not you", ActionVerdict.Fits),
        ("450 later", "450 4.7.1 <$>: Recipient address rejected: later", ActionVerdict.Fits),
        ("prepend X-A: b", NoOpinion, ActionVerdict.Fits),
        ("warn watch", NoOpinion, ActionVerdict.Fits),
        ("info", NoOpinion, ActionVerdict.Fits),
        ("hold", NoOpinion, ActionVerdict.Fits),
        ("discard", Permit, ActionVerdict.Fits),
        ("permit_mynetworks, reject", "554 5.7.1 <$>: Recipient address rejected", ActionVerdict.Fits),
        ("permit", Permit, ActionVerdict.Fits),
        ("class_of_mine", Permit, ActionVerdict.UnknownWord),

        // A code without a text is all digits, and thus a permit: the very opposite of what was meant.
        ("550", Permit, ActionVerdict.Wrong),
        ("421", Permit, ActionVerdict.Wrong),
        ("550 ", Broken, ActionVerdict.Wrong),
        ("", Permit, ActionVerdict.Wrong),
        (" dunno", Broken, ActionVerdict.Wrong),
        ("250 fine", Broken, ActionVerdict.Wrong),
        ("greylisting", Broken, ActionVerdict.UnknownWord),
        ("hash:/etc/postfix/access", Broken, ActionVerdict.Wrong),
        ("check_policy_service inet:127.0.0.1:1", Broken, ActionVerdict.Wrong),
        ("check_client_access hash:/etc/postfix/access", Broken, ActionVerdict.Wrong),
        ("reject_rbl_client", NoOpinion, ActionVerdict.Wrong),
        ("dunno,reject", Broken, ActionVerdict.Wrong),
        ("permit_mynetworks, dunno", Broken, ActionVerdict.Wrong),
        ("permit_mynetworks, ok", Broken, ActionVerdict.Wrong),
        ("prepend nothing", NoOpinion, ActionVerdict.Wrong),
        ("prepend X A: b", NoOpinion, ActionVerdict.Wrong),
        ("redirect nobody", NoOpinion, ActionVerdict.Wrong),
        ("filter nowhere", NoOpinion, ActionVerdict.Wrong),
    ];

    [Fact]
    public async Task Grammar_tells_what_a_real_Postfix_does()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Serve(listener);
        var port = FreePort.Next();
        await using var postfix = await PostfixServer.Start(FreePort.Next(), new Dictionary<int, string[]>
        {
            [port] =
            [
                $"smtpd_recipient_restrictions=check_policy_service inet:127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}, reject",
                "smtpd_restriction_classes=class_of_mine",
                "class_of_mine=permit",
                "smtpd_error_sleep_time=0",
                "smtpd_hard_error_limit=1000",
            ],
        });
        var wrong = new List<string>();
        for (var row = 0; row < Table.Length; row++)
        {
            var (action, answer, verdict) = Table[row];
            await using var mail = await SmtpDialogue.Connect(port, "203.0.113.7");
            await mail.Say("MAIL FROM:<a@example.com>");
            var recipient = string.Create(CultureInfo.InvariantCulture, $"row{row}@example.org");
            var said = await mail.Say($"RCPT TO:<{recipient}>");
            if (!said.StartsWith(answer.Replace("$", recipient, StringComparison.Ordinal), StringComparison.Ordinal))
            {
                wrong.Add($"\"{action}\": Postfix says {said.Trim()}, not {answer}");
            }

            if (ActionGrammar.Default.Judge(action, out var problem) is var judged && judged != verdict)
            {
                wrong.Add($"\"{action}\": the grammar says {judged} ({problem}), not {verdict}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        listener.Stop();
        await serving.WaitAsync(Eventually.Timeout, cancellation);
    }

    /// <summary>A policy server without any care: it answers the action of the row that the recipient names.</summary>
    private static async Task Serve(TcpListener listener)
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(Answer(await listener.AcceptSocketAsync()));
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over. Connections end when Postfix ends.
        }
    }

    private static async Task Answer(Socket accepted)
    {
        using var socket = accepted;
        var framer = new RequestFramer(RequestLimits.Default);
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer) is > 0 and var read)
        {
            framer.Append(buffer.AsSpan(0, read));
            while (framer.TryTake(out var frame, out _) == FrameStatus.Frame)
            {
                Assert.True(PolicyRequestReader.TryRead(frame, RequestLimits.Default, out var request, out _));
                var row = int.Parse(
                    request.Recipient["row".Length..request.Recipient.IndexOf('@', StringComparison.Ordinal)],
                    CultureInfo.InvariantCulture);
                await socket.SendAsync(Encoding.UTF8.GetBytes($"action={Table[row].Action}\n\n"));
            }
        }
    }
}
