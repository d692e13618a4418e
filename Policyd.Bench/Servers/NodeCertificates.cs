using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Policyd.Bench.Servers;

/// <summary>An authority and a certificate for nodes on one address, in a folder: what the TLS of a cluster needs.</summary>
internal static class NodeCertificates
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    /// <summary>Makes them, and returns the options <c>tls { }</c> of the nodes.</summary>
    public static string Write(string folder, IPAddress address)
    {
        var (now, day) = (DateTimeOffset.UtcNow, TimeSpan.FromDays(1));
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authority = new CertificateRequest("CN=policyd bench", authorityKey, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        using var authorityCertificate = authority.CreateSelfSigned(now - day, now + (30 * day));

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var node = new CertificateRequest("CN=node", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(address);
        node.CertificateExtensions.Add(names.Build());
        node.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerUse), new Oid(ClientUse)], critical: false));
        using var certificate = node.Create(authorityCertificate, now - day, now + (30 * day), [1]);

        string File(string name, string pem)
        {
            var path = Path.Combine(folder, name);
            System.IO.File.WriteAllText(path, pem);
            return path;
        }

        return $"tls {{ certificate = \"{File("node.pem", certificate.ExportCertificatePem())}\", "
            + $"key = \"{File("node.key", key.ExportPkcs8PrivateKeyPem())}\", "
            + $"ca_file = \"{File("ca.pem", authorityCertificate.ExportCertificatePem())}\", names = [\"{address}\"] }}";
    }
}
