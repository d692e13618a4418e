using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Policyd.Engine.Clustering;

/// <summary>
/// What the files of <c>tls { }</c> hold: the certificate that this node shows, and all that decides whether a peer's is accepted. Only
/// authorities of <c>ca_file</c> count, never the system's: a certificate of a public authority is no membership. Nothing is downloaded,
/// and no revocation is looked up: a private authority seldom has a list, and a handshake must not wait for one.
/// </summary>
public sealed class NodeIdentity
{
    private static readonly Oid s_server = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid s_client = new("1.3.6.1.5.5.7.3.2");

    private readonly X509Certificate2Collection _intermediates;
    private readonly X509Certificate2Collection _authorities;
    private readonly IReadOnlyList<NamePattern> _names;

    internal NodeIdentity(
        X509Certificate2 certificate,
        X509Certificate2Collection intermediates,
        X509Certificate2Collection authorities,
        IReadOnlyList<NamePattern> names)
    {
        Certificate = certificate;
        (_intermediates, _authorities, _names) = (intermediates, authorities, names);
        Shown = SslStreamCertificateContext.Create(certificate, intermediates, offline: true);
    }

    /// <summary>This node's certificate, with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Until when its certificate is valid, for messages.</summary>
    public string ValidUntil => Time(Certificate.NotAfter);

    /// <summary>The certificate with those of intermediate authorities, as peers get it.</summary>
    public SslStreamCertificateContext Shown { get; }

    /// <summary>The rules for the chain that TLS builds by itself; <see cref="FaultOf"/> decides.</summary>
    public X509ChainPolicy Policy() => PolicyFor(DateTimeOffset.UtcNow, purpose: null, []);

    /// <summary>Why a peer's certificate is refused; null when it is accepted.</summary>
    /// <param name="certificate">The peer's certificate.</param>
    /// <param name="sent">What the peer has sent with it.</param>
    /// <param name="isServer">Whether the peer is the TLS server.</param>
    /// <param name="now">The present time.</param>
    public CertificateFault? FaultOf(X509Certificate2 certificate, X509Certificate2Collection sent, bool isServer, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        using var chain = new X509Chain();
        chain.ChainPolicy = PolicyFor(now, isServer ? s_server : s_client, sent);
        chain.Build(certificate);
        var found = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
        const X509ChainStatusFlags Foreign = X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot
            | X509ChainStatusFlags.NotSignatureValid;
        return (found & Foreign) != 0 ? new CertificateFault("is not issued by an authority of ca_file")
            : FaultOfNames(certificate) is { } names ? names
            : (found & X509ChainStatusFlags.NotValidForUsage) != 0
                ? new CertificateFault($"may not be used for TLS {(isServer ? "servers" : "clients")} (extended key usage)")
            : (found & X509ChainStatusFlags.NotTimeValid) != 0 ? FaultOfTime(certificate, now)
            : found != X509ChainStatusFlags.NoError ? new CertificateFault($"is not valid: {chain.ChainStatus[0].StatusInformation.Trim()}")
            : null;
    }

    /// <summary>Why peers with the same configuration refuse this node; null when they do not.</summary>
    /// <param name="now">The present time.</param>
    public CertificateFault? OwnFault(DateTimeOffset now) =>
        FaultOf(Certificate, _intermediates, isServer: true, now) ?? FaultOf(Certificate, _intermediates, isServer: false, now);

    private X509ChainPolicy PolicyFor(DateTimeOffset now, Oid? purpose, X509Certificate2Collection sent)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationTime = now.LocalDateTime,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        policy.ExtraStore.AddRange(sent);
        if (purpose is not null)
        {
            policy.ApplicationPolicy.Add(purpose);
        }

        return policy;
    }

    // The common name is no name of a host for TLS since RFC 6125.
    private CertificateFault? FaultOfNames(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        var hosts = alternatives.SelectMany(one => one.EnumerateDnsNames()).ToList();
        var addresses = alternatives.SelectMany(one => one.EnumerateIPAddresses()).ToList();
        if (_names.Any(pattern => hosts.Exists(pattern.Matches) || addresses.Exists(pattern.Matches)))
        {
            return null;
        }

        return new CertificateFault(hosts.Count + addresses.Count == 0
            ? "has no host name or address (subjectAltName)"
            : $"is for {string.Join(", ", hosts.Concat(addresses.Select(one => one.ToString())).Take(5))}, which is none of names");
    }

    private static CertificateFault FaultOfTime(X509Certificate2 certificate, DateTimeOffset now) => new(
        certificate.NotAfter < now.LocalDateTime ? $"expired at {Time(certificate.NotAfter)}"
        : certificate.NotBefore > now.LocalDateTime ? $"is not valid before {Time(certificate.NotBefore)}"
        : "is issued by an authority whose own certificate has expired or is not valid yet",
        IsOfTime: true);

    /// <summary>A time of a certificate, for messages.</summary>
    /// <param name="time">The local time.</param>
    internal static string Time(DateTime time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
