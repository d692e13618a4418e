using System.Diagnostics.CodeAnalysis;

namespace Policyd.Protocol;

/// <summary>
/// Every attribute that Postfix sends, up to 3.12 (SMTPD_POLICY_README; the version in brackets is the first that sends it). The
/// name on the wire is the member's in snake_case: see <see cref="PolicyAttributes.NameOf"/>.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "Attribute is the protocol's own word.")]
public enum PolicyAttribute : byte
{
    /// <summary><c>request</c> [2.1]: the type of the request, always <c>smtpd_access_policy</c>.</summary>
    Request,

    /// <summary><c>protocol_state</c> [2.1]: CONNECT, EHLO, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE, VRFY or ETRN.</summary>
    ProtocolState,

    /// <summary><c>protocol_name</c> [2.1]: ESMTP or SMTP.</summary>
    ProtocolName,

    /// <summary><c>client_address</c> [2.1]: the client's IP address.</summary>
    ClientAddress,

    /// <summary><c>client_name</c> [2.1]: the verified name, or <c>unknown</c>.</summary>
    ClientName,

    /// <summary><c>client_port</c> [3.0].</summary>
    ClientPort,

    /// <summary><c>reverse_client_name</c> [2.1]: the unverified name, or <c>unknown</c>.</summary>
    ReverseClientName,

    /// <summary><c>server_address</c> [3.2].</summary>
    ServerAddress,

    /// <summary><c>server_port</c> [3.2].</summary>
    ServerPort,

    /// <summary><c>helo_name</c> [2.1].</summary>
    HeloName,

    /// <summary><c>sender</c> [2.1]: empty for the null sender.</summary>
    Sender,

    /// <summary><c>recipient</c> [2.1]: at DATA and END-OF-MESSAGE only if exactly one was accepted.</summary>
    Recipient,

    /// <summary><c>recipient_count</c> [2.3]: not zero only at DATA and END-OF-MESSAGE.</summary>
    RecipientCount,

    /// <summary><c>queue_id</c> [2.1]: empty at the first RCPT.</summary>
    QueueId,

    /// <summary><c>instance</c> [2.1]: one value for all requests of one mail; empty outside a mail transaction.</summary>
    Instance,

    /// <summary><c>size</c> [2.2]: bytes announced by MAIL FROM SIZE=, at END-OF-MESSAGE the bytes received.</summary>
    Size,

    /// <summary><c>etrn_domain</c> [2.3].</summary>
    EtrnDomain,

    /// <summary><c>stress</c> [2.5]: empty or <c>yes</c>.</summary>
    Stress,

    /// <summary><c>sasl_method</c> [2.2].</summary>
    SaslMethod,

    /// <summary><c>sasl_username</c> [2.2].</summary>
    SaslUsername,

    /// <summary><c>sasl_sender</c> [2.2].</summary>
    SaslSender,

    /// <summary><c>ccert_subject</c> [2.2]: xtext, only when the chain is trusted.</summary>
    CcertSubject,

    /// <summary><c>ccert_issuer</c> [2.2]: xtext, only when the chain is trusted.</summary>
    CcertIssuer,

    /// <summary><c>ccert_fingerprint</c> [2.2].</summary>
    CcertFingerprint,

    /// <summary><c>ccert_pubkey_fingerprint</c> [2.9].</summary>
    CcertPubkeyFingerprint,

    /// <summary><c>encryption_protocol</c> [2.3], for example <c>TLSv1.3</c>.</summary>
    EncryptionProtocol,

    /// <summary><c>encryption_cipher</c> [2.3].</summary>
    EncryptionCipher,

    /// <summary><c>encryption_keysize</c> [2.3]: bits.</summary>
    EncryptionKeysize,

    /// <summary><c>tls_sni</c> [3.12]: the server name that the client asked for in its TLS handshake.</summary>
    TlsSni,

    /// <summary><c>policy_context</c> [3.1]: a text of the operator's, set in main.cf beside the policy service.</summary>
    PolicyContext,

    /// <summary><c>compatibility_level</c> [3.8].</summary>
    CompatibilityLevel,

    /// <summary><c>mail_version</c> [3.8].</summary>
    MailVersion,
}
