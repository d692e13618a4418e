using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Policyd.Tests.Support;

/// <summary>
/// A real slapd in a folder and on a port of its own, with a certificate of its own authority. Can be killed and started again.
/// </summary>
internal sealed class SlapdServer : IAsyncDisposable
{
    public const string Reader = "cn=reader,dc=example,dc=org";
    public const string Password = "s3cret";

    private readonly TemporaryFolder _folder = new();
    private readonly string _slapd = Needs.Program("slapd");
    private readonly RestartableServer _server = new("slapd");

    public int Port => _server.Port;

    public string CaFile => _folder["ca.pem"];

    public static async Task<SlapdServer> StartNew(bool withTls = true)
    {
        var server = new SlapdServer();
        server.Prepare(withTls);
        var (code, text) = await ProcessUnderTest.Run(
            Needs.Program("slapadd"), "-f", server._folder["slapd.conf"], "-l", server._folder["people.ldif"]);
        Assert.True(code == 0, text);
        await server.Start();
        return server;
    }

    // -d 0 keeps it in the foreground, so that it ends with the test.
    public Task Start() => _server.Start(_slapd, ["-d", "0", "-h", Invariant($"ldap://127.0.0.1:{Port}"), "-f", _folder["slapd.conf"]]);

    public Task Kill() => _server.Kill();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private void Prepare(bool withTls)
    {
        Directory.CreateDirectory(_folder["db"]);
        WriteCertificates();
        var tls = withTls
            ? $"TLSCACertificateFile {CaFile}\nTLSCertificateFile {_folder["server.pem"]}\nTLSCertificateKeyFile {_folder["server.key"]}\n"
            : "";
        _folder.Write("slapd.conf", $"""
            include /etc/ldap/schema/core.schema
            include /etc/ldap/schema/cosine.schema
            include /etc/ldap/schema/inetorgperson.schema
            modulepath /usr/lib/ldap
            moduleload back_mdb
            pidfile {_folder["slapd.pid"]}
            {tls}
            database mdb
            suffix "dc=example,dc=org"
            rootdn "{Reader}"
            rootpw {Password}
            directory {_folder["db"]}
            access to dn.subtree="ou=hidden,dc=example,dc=org" by * none
            access to * by * read

            """);
        _folder.Write("people.ldif", """
            dn: dc=example,dc=org
            objectClass: dcObject
            objectClass: organization
            o: example
            dc: example

            dn: ou=hidden,dc=example,dc=org
            objectClass: organizationalUnit
            ou: hidden

            dn: uid=alice,dc=example,dc=org
            objectClass: inetOrgPerson
            uid: alice
            cn: Alice
            sn: Twin
            mail: alice@example.org
            employeeNumber: 10000
            description:: R3LDvMOfZQ==

            dn: uid=bob,dc=example,dc=org
            objectClass: inetOrgPerson
            uid: bob
            cn: Bob (the *)
            sn: Twin
            mail: bob@example.org
            employeeNumber: 5

            dn: uid=carol,ou=hidden,dc=example,dc=org
            objectClass: inetOrgPerson
            uid: carol
            cn: Carol
            sn: Single
            mail: carol@example.org
            employeeNumber: 7

            """);
    }

    private void WriteCertificates()
    {
        var (from, until) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        using var caKey = RSA.Create(2048);
        var caRequest = new CertificateRequest("CN=Test authority", caKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        caRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var ca = caRequest.CreateSelfSigned(from, until);
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(ca, from, until, [1, 2, 3, 4]);
        _folder.Write("ca.pem", ca.ExportCertificatePem());
        _folder.Write("server.pem", certificate.ExportCertificatePem());
        _folder.Write("server.key", key.ExportPkcs8PrivateKeyPem());
    }
}
