using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Requests as Postfix sends them (SMTPD_POLICY_README).</summary>
internal static class RequestSamples
{
    public const string Whole = """
        request=smtpd_access_policy
        protocol_state=RCPT
        protocol_name=SMTP
        helo_name=some.domain.tld
        queue_id=8045F2AB23
        sender=foo@bar.tld
        recipient=bar@foo.tld
        recipient_count=0
        client_address=192.0.2.4
        client_name=another.domain.tld
        reverse_client_name=another.domain.tld
        instance=123.456.7
        sasl_method=plain
        sasl_username=you
        sasl_sender=
        size=12345
        ccert_subject=solaris9.porcupine.org
        ccert_issuer=Wietse+20Venema
        ccert_fingerprint=C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04
        encryption_protocol=TLSv1/SSLv3
        encryption_cipher=DHE-RSA-AES256-SHA
        encryption_keysize=256
        etrn_domain=
        stress=
        ccert_pubkey_fingerprint=
        client_port=1234
        policy_context=submission
        server_address=2001:db8::25
        server_port=54321
        compatibility_level=3.6
        mail_version=3.7.0


        """;

    public static IReadOnlyList<byte[]> All { get; } = Texts.Utf8(
        Whole,
        Whole.Replace("\n", "\r\n", StringComparison.Ordinal),
        "a=1\n\nb=2\n\nsender=a\nsender=b=c\nother=\nother=x\n\n",
        "request=smtpd_access_policy\nsender=müller@exämple.org\nx_own=\u20ac\n\nsize=18446744073709551616\n");

    public static IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "sender= recipient= client_address= size= instance= = x= recipient_count=9223372036854775807", "\n\n", "\r\n\r\n", "\n", "\r",
            "\0", "a=\n");
}
