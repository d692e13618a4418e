using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Policyd.Engine.Clustering;

namespace Policyd.Actors.Network;

/// <summary>What a connection between two nodes is for: the last byte of its preface.</summary>
internal enum NodeUse : byte
{
    /// <summary>Akka's messages.</summary>
    Akka = 1,

    /// <summary>Those of the counters: see <see cref="DirectConnections"/>.</summary>
    Counters = 2,
}

/// <summary>
/// What happens on a connection between two nodes before its use begins: TLS, in which each side checks the other, then a preface of each
/// side. The preface tells a peer that speaks something else. It also makes the side that dials wait until the other has checked its
/// certificate: with TLS 1.3 its own handshake is complete before that.
/// </summary>
internal static class NodeHandshake
{
    private const byte TlsRecord = 0x16;

    /// <summary>For the side that was dialled.</summary>
    /// <returns>The stream and its use; null when the peer closes without a word, as a port check does.</returns>
    /// <exception cref="NodeRefusedException">The peer is none of this cluster.</exception>
    public static async Task<(Stream Stream, NodeUse Use)?> AcceptAsync(
        Socket socket, NodeIdentitySource? source, TimeProvider clock, CancellationToken ct)
    {
        var first = new byte[1];
        if (await socket.ReceiveAsync(first, SocketFlags.Peek, ct).ConfigureAwait(false) == 0)
        {
            return null;
        }

        var speaksTls = first[0] == TlsRecord;
        if (speaksTls != source is not null)
        {
            throw new NodeRefusedException(speaksTls
                ? "it uses TLS, but this node has no cluster.tls"
                : "it does not use TLS");
        }

        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (source is not null)
        {
            var peer = new PeerCheck(Identity(source), isServer: false, clock);
            var secure = new SslStream(stream);
            stream = secure;
            await peer.RunAsync(secure.AuthenticateAsServerAsync(peer.ServerOptions, ct)).ConfigureAwait(false);
        }

        var use = await ReadPrefaceAsync(stream, ct).ConfigureAwait(false);
        await stream.WriteAsync(Preface(use), ct).ConfigureAwait(false);
        return (stream, use);
    }

    /// <summary>For the side that dials.</summary>
    /// <exception cref="NodeRefusedException">The peer is none of this cluster, or considers this node none.</exception>
    public static async Task<Stream> DialAsync(
        Socket socket, string host, NodeUse use, NodeIdentitySource? source, TimeProvider clock, CancellationToken ct)
    {
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (source is not null)
        {
            var peer = new PeerCheck(Identity(source), isServer: true, clock);
            var secure = new SslStream(stream);
            stream = secure;
            await peer.RunAsync(secure.AuthenticateAsClientAsync(peer.ClientOptions(host), ct)).ConfigureAwait(false);
        }

        await stream.WriteAsync(Preface(use), ct).ConfigureAwait(false);
        return await ReadPrefaceAsync(stream, ct).ConfigureAwait(false) == use ? stream : throw Foreign();
    }

    private static NodeIdentity Identity(NodeIdentitySource source) =>
        source.Read() ?? throw new NodeRefusedException("this node's own certificate, key or ca_file cannot be used");

    private static byte[] Preface(NodeUse use) => [.. "POLICYD"u8, (byte)use];

    private static async Task<NodeUse> ReadPrefaceAsync(Stream stream, CancellationToken ct)
    {
        var received = new byte[8];
        try
        {
            await stream.ReadExactlyAsync(received, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            throw new NodeRefusedException("it refused this node; its log has the reason", e);
        }

        var use = (NodeUse)received[^1];
        return Enum.IsDefined(use) && received.AsSpan().SequenceEqual(Preface(use)) ? use : throw Foreign();
    }

    private static NodeRefusedException Foreign() => new("it is no node of policyd, or one of another version");

    /// <summary>One handshake of TLS: the identity that it is made with, and what was wrong with the peer.</summary>
    private sealed class PeerCheck(NodeIdentity identity, bool isServer, TimeProvider clock)
    {
        private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        private string? _fault;

        public SslServerAuthenticationOptions ServerOptions => new()
        {
            ServerCertificateContext = identity.Shown,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = IsAccepted,
            CertificateChainPolicy = identity.Policy(),
            EnabledSslProtocols = Protocols,
            AllowRenegotiation = false,
            AllowTlsResume = false,
        };

        // The name is only sent: what a peer may be called, names decides.
        public SslClientAuthenticationOptions ClientOptions(string host) => new()
        {
            TargetHost = host,
            ClientCertificateContext = identity.Shown,
            RemoteCertificateValidationCallback = IsAccepted,
            CertificateChainPolicy = identity.Policy(),
            EnabledSslProtocols = Protocols,
            AllowRenegotiation = false,
            AllowTlsResume = false,
        };

        public async Task RunAsync(Task handshake)
        {
            try
            {
                await handshake.ConfigureAwait(false);
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                throw new NodeRefusedException(
                    _fault ?? (isServer ? "it refused the TLS handshake, or uses no TLS; its log has the reason"
                        : "its TLS handshake failed"),
                    e);
            }
        }

        private bool IsAccepted(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            _fault = certificate is not X509Certificate2 shown ? "it has shown no certificate"
                : identity.FaultOf(shown, chain?.ChainPolicy.ExtraStore ?? [], isServer, clock.GetUtcNow()) is { } fault
                    ? $"its certificate {fault.Message}"
                    : null;
            return _fault is null;
        }
    }
}
