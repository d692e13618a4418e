using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Policyd.Tests.Plugins;
using Policyd.Tests.Postfix;
using Policyd.Tests.Support;

namespace Policyd.Tests.Smtp;

/// <summary>
/// SMTPVerify asks a real Postfix: one smtpd that offers STARTTLS, with recipients that it knows, does not know and puts off, and one
/// without TLS.
/// </summary>
[ServerTest]
public sealed class SmtpVerifyPostfixSpecs
{
    private const string Options =
        "sender_field = sender, recipient_field = recipient, temp_fail_action = \"defer T %MSG%\", perm_fail_action = \"reject P %MSG%\", "
            + "has_starttls_score = 10, no_starttls_score = 20";

    [Fact]
    public async Task Postfix_says_which_recipients_it_takes()
    {
        Needs.Program("postfix");
        Needs.Root();
        using var folder = new TemporaryFolder();
        Certify(folder);
        var secured = FreePort.Next();
        var plain = FreePort.Next();
        await using var sink = new SmtpSink();
        var known = folder.Write("recipients", "no@example.org 550 5.1.1 no such user\nlater@example.org 450 4.2.0 greylisted\n");
        var restrictions = $"smtpd_recipient_restrictions = check_recipient_access texthash:{known}, reject_unauth_destination";
        await using var postfix = await PostfixServer.Start(sink.Port, new Dictionary<int, string[]>
        {
            [secured] = [
                restrictions, "smtpd_tls_security_level = may", $"smtpd_tls_cert_file = {folder["cert.pem"]}",
                $"smtpd_tls_key_file = {folder["key.pem"]}", "message_size_limit = 100000"
            ],
            [plain] = [restrictions],
        });

        Assert.Equal(("dunno", "10"), await AskAsync(secured, "yes@example.org", 5));
        Assert.Equal(("dunno", "20"), await AskAsync(plain, "yes@example.org", 5));
        Assert.Equal(
            ("reject P 5.1.1 <no@example.org>: Recipient address rejected: no such user", "10"),
            await AskAsync(secured, "no@example.org", 5));
        Assert.Equal(
            ("defer T 4.2.0 <later@example.org>: Recipient address rejected: greylisted", "10"),
            await AskAsync(secured, "later@example.org", 5));
        Assert.Equal(("reject P 5.7.1 <a@elsewhere.test>: Relay access denied", "20"), await AskAsync(plain, "a@elsewhere.test", 5));
        Assert.Equal(("reject P 5.3.4 Message size exceeds fixed limit", "10"), await AskAsync(secured, "yes@example.org", 1_000_000));
        Assert.Equal(("dunno", "20"), await AskAsync(plain, "first..last@example.org", 5));

        // Every call has ended in order, or Postfix would say that a connection was lost.
        await Eventually.Holds(
            "seven ends of a dialogue in\n" + postfix.Log, () => Count(postfix.Log, "disconnect from ", " quit=1 ") == 7);
        Assert.Equal(0, Count(postfix.Log, "lost connection after RCPT"));
    }

    private static int Count(string log, params string[] parts) =>
        log.Split('\n').Count(line => parts.All(part => line.Contains(part, StringComparison.Ordinal)));

    private static async Task<(string Answer, string? Score)> AskAsync(int port, string recipient, int size)
    {
        var policy = new PolicyUnderTest(string.Create(
            CultureInfo.InvariantCulture, $"{{ name = v, module = SMTPVerify, host = \"127.0.0.1\", port = {port}, {Options} }}"));
        var answer = await policy.AskAsync(
            ("sender", "me@example.com"), ("recipient", recipient), ("size", size.ToString(CultureInfo.InvariantCulture)));
        return (answer ?? "dunno", policy.Session["score"]);
    }

    private static void Certify(TemporaryFolder folder)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=mx.example.org", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        folder.Write("cert.pem", certificate.ExportCertificatePem());
        folder.Write("key.pem", key.ExportPkcs8PrivateKeyPem());
    }
}
