using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Clustering;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Who is let in, and who is dialled: both sides check each other. Whoever is refused costs one line in the log of each side, and the
/// node that is right goes on.
/// </summary>
public sealed class NodeTlsSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private int _files;

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Nodes_with_certificates_of_the_authority_form_a_cluster()
    {
        await using var a = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx1.example.org"])));
        await using var b = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx2.example.org", "other.example"])), "127.0.0.2");
        Assert.Equal($"akka.ssl.tcp://policyd@127.0.0.1:{a.Port}", a.Address.ToString());
        await a.ReachesAsync(b);
        await b.ReachesAsync(a);
        Assert.DoesNotContain(a.Log.Lines.Concat(b.Log.Lines), line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Address_that_another_node_has_is_refused_so_that_neither_gets_the_connections_of_the_other()
    {
        await using var a = await NodeUnderTest.StartAsync(null);
        var second = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var b = await NodeUnderTest.StartAsync(null, port: a.Port);
        });
        Assert.Contains(
            $"cannot listen on 127.0.0.1:{a.Port} for the other nodes of the cluster", second.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("foreign", "its certificate is not issued by an authority of ca_file")]
    [InlineData("other name", "its certificate is for mail.example.org, which is none of names")]
    [InlineData("no name", "its certificate has no host name or address (subjectAltName)")]
    [InlineData("expired", "its certificate expired at ")]
    [InlineData("not yet valid", "its certificate is not valid before ")]
    [InlineData("no use", "its certificate may not be used for TLS ")]
    public async Task Node_with_a_wrong_certificate_is_refused_in_both_directions_and_harms_nobody(string kind, string reason)
    {
        using var foreign = new TestAuthority();
        var wrong = kind switch
        {
            "foreign" => foreign.Issue(["mx3.example.org"]),
            "other name" => _authority.Issue(["mail.example.org"]),
            "no name" => _authority.Issue([]),
            "expired" => _authority.Issue(["mx3.example.org"], until: TimeSpan.FromHours(-1)),
            "not yet valid" => _authority.Issue(["mx3.example.org"], from: TimeSpan.FromHours(1)),
            _ => _authority.Issue(["mx3.example.org"], null, null, "1.3.6.1.5.5.7.3.4"),
        };
        await using var a = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx1.example.org"])));
        await using var b = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx2.example.org"])));
        await using var bad = await NodeUnderTest.StartAsync(Tls(wrong));

        await a.FailsToReachAsync(bad, $"cluster: no connection to node 127.0.0.1:{bad.Port}: {reason}");
        await bad.FailsToReachAsync(b, $"cluster: no connection to node 127.0.0.1:{b.Port}: it refused this node");
        await b.SaysAsync($": {reason}");
        Assert.Single(b.Log.Containing("cluster: refused the node at 127.0.0.1:"));
        Assert.Single(a.Log.Containing("cluster: no connection to node"));
        Assert.DoesNotContain(a.Log.Lines.Concat(b.Log.Lines), line => line.Message.Contains("Exception", StringComparison.Ordinal));

        // Akka's own transport would have ended the system that dialled.
        await a.ReachesAsync(b);
        Assert.Equal((1, 1), (a.Up, b.Up));
        Assert.False(a.System.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task Client_without_a_certificate_or_without_TLS_is_refused()
    {
        await using var a = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx1.example.org"])));
        await ShownBy(a);
        await a.SaysAsync("cluster: refused the node at 127.0.0.1:");
        Assert.Contains(": it has shown no certificate", Assert.Single(a.Log.Containing("cluster: refused")), StringComparison.Ordinal);
        using var plain = new TcpClient();
        await plain.ConnectAsync(IPAddress.Loopback, a.Port, TestContext.Current.CancellationToken);
        await plain.GetStream().WriteAsync("POLICYD\u0001"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.True(await IsClosedAsync(plain.GetStream()));
    }

    [Fact]
    public async Task Plaintext_node_and_TLS_node_refuse_each_other()
    {
        await using var secure = await NodeUnderTest.StartAsync(Tls(_authority.Issue(["mx1.example.org"])));
        await using var plain = await NodeUnderTest.StartAsync(tls: null);
        await secure.FailsToReachAsync(plain, "it refused the TLS handshake, or uses no TLS");
        await plain.FailsToReachAsync(secure, $"cluster: no connection to node 127.0.0.1:{secure.Port}: it refused this node");
        await plain.SaysAsync(": it uses TLS, but this node has no cluster.tls");
        await secure.SaysAsync(": it does not use TLS");
        Assert.Single(plain.Log.Containing(": it uses TLS, but this node has no cluster.tls"));
        Assert.Single(secure.Log.Containing(": it does not use TLS"));
    }

    [Fact]
    public async Task Node_that_has_gone_is_told_by_one_line_and_without_a_stack_trace()
    {
        await using var a = await NodeUnderTest.StartAsync(tls: null);
        await using var b = await NodeUnderTest.StartAsync(tls: null);
        await a.ReachesAsync(b);
        await b.System.Terminate();
        await a.FailsToReachAsync(b, $"cluster: no connection to node 127.0.0.1:{b.Port}: ");
        Assert.Single(a.Log.Lines, static line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Renewed_files_are_used_for_new_connections_and_halves_of_them_are_not()
    {
        var tls = Tls(_authority.Issue(["mx1.example.org"]));
        await using var a = await NodeUnderTest.StartAsync(tls);
        var first = await ShownBy(a);

        var (certificate, key) = _authority.Issue(["mx2.example.org"]);
        await File.WriteAllTextAsync(tls.Key, key, TestContext.Current.CancellationToken);
        Assert.Equal(first, await ShownBy(a));
        var kept = Assert.Single(a.Log.Containing("the earlier certificate stays in use"));
        Assert.Contains("does not belong to the first certificate", kept, StringComparison.Ordinal);

        await File.WriteAllTextAsync(tls.Certificate, certificate, TestContext.Current.CancellationToken);
        var second = await ShownBy(a);
        Assert.NotEqual(first, second);
        Assert.Single(a.Log.Containing("cluster: the renewed certificate is used for new connections; it is valid until"));
        Assert.Equal(second, await ShownBy(a));
    }

    private ClusterTlsOptions Tls((string Certificate, string Key) pair) =>
        NodeUnderTest.Tls(_folder, $"{_files++}", pair, _authority);

    // A client without a certificate sees the node's, and is refused then.
    private static async Task<string> ShownBy(NodeUnderTest node)
    {
        var serial = "";
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, node.Port);
        await using var stream = new SslStream(new NetworkStream(socket));
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "mx1.example.org",
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    serial = (certificate as X509Certificate2)?.SerialNumber ?? "";
                    return serial.Length > 0;
                },
            });
            Assert.True(await IsClosedAsync(stream));
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // With TLS 1.2 within the handshake.
        }

        return serial;
    }

    private static async Task<bool> IsClosedAsync(Stream stream)
    {
        try
        {
            return await stream.ReadAsync(new byte[1]) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
