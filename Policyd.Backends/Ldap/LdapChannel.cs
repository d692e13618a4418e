using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Policyd.Plugins.Ldap;

namespace Policyd.Backends.Ldap;

/// <summary>
/// One connection to a directory, with one operation at a time. What fails, or is given up, leaves the connection in the middle of an
/// answer: whoever sees an exception closes it.
/// </summary>
internal sealed class LdapChannel : IAsyncDisposable
{
    // A message is one entry. Nothing that a mail server reads comes near; a server that sends more is not what it should be.
    private const int MaxMessageBytes = 1 << 20;
    private const int MaxMessagesPerAnswer = 1000;

    private Stream _stream;
    private byte[] _buffer = new byte[4096];
    private int _filled;
    private int _id;

    private LdapChannel(Stream stream) => _stream = stream;

    /// <summary>Connects, secures and binds.</summary>
    /// <exception cref="LdapException">One of them failed.</exception>
    public static async Task<LdapChannel> OpenAsync(LdapConnectionOptions options, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        LdapChannel? channel = null;
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, options.Keepalive);
            await socket.ConnectAsync(options.Host, options.Port, ct).ConfigureAwait(false);
            channel = new LdapChannel(new NetworkStream(socket, ownsSocket: true));
            if (options.Starttls)
            {
                await channel.StartTlsAsync(options, ct).ConfigureAwait(false);
            }

            if (options.Binddn is { Length: > 0 } name)
            {
                await channel.BindAsync(name, options.Password!, ct).ConfigureAwait(false);
            }

            return channel;
        }
        catch (Exception exception)
        {
            socket.Dispose();
            if (channel is not null)
            {
                await channel._stream.DisposeAsync().ConfigureAwait(false);
            }

            throw exception is SocketException ? new LdapException(exception.Message, exception) : exception;
        }
    }

    /// <summary>Searches.</summary>
    /// <exception cref="LdapException">The connection failed.</exception>
    public async Task<LdapResult> SearchAsync(LdapSearch search, CancellationToken ct)
    {
        var id = ++_id;
        await SendAsync(LdapMessages.Search(id, search), ct).ConfigureAwait(false);
        var entries = new List<LdapEntry>();
        for (var i = 0; i < MaxMessagesPerAnswer; i++)
        {
            var (kind, content) = await ReceiveAsync(id, ct).ConfigureAwait(false);
            switch (kind)
            {
                case LdapMessages.SearchEntry:
                    // One more than was asked for tells as much as a thousand.
                    if (entries.Count <= search.Most)
                    {
                        entries.Add(Decode(content, LdapMessages.ReadEntry));
                    }

                    break;
                case LdapMessages.SearchDone:
                    return Decode(content, reader => LdapMessages.ReadResult(reader, entries));
                case LdapMessages.SearchReference:
                    // Another server may know more; to ask it is not ours.
                    break;
                default:
                    throw new LdapException($"the server answered a search with the operation {kind}");
            }
        }

        throw new LdapException($"the server sent more than {MaxMessagesPerAnswer} messages in one answer");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await _stream.DisposeAsync().ConfigureAwait(false);

    private static T Decode<T>(AsnReader content, Func<AsnReader, T> decode)
    {
        try
        {
            return decode(content);
        }
        catch (AsnContentException exception)
        {
            throw new LdapException("the server does not speak LDAP: " + exception.Message, exception);
        }
    }

    private async Task StartTlsAsync(LdapConnectionOptions options, CancellationToken ct)
    {
        var id = ++_id;
        await SendAsync(LdapMessages.StartTls(id), ct).ConfigureAwait(false);
        var result = await ReceiveResultAsync(id, LdapMessages.ExtendedResponse, ct).ConfigureAwait(false);
        if (result.Code != LdapResult.Success)
        {
            throw new LdapException($"the server refuses StartTLS: {result}");
        }

        if (_filled > 0)
        {
            // Somebody on the way could have put it there, to be taken for an answer that came under TLS.
            throw new LdapException("the server sent data before TLS was established");
        }

        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = tls;
        try
        {
            await tls.AuthenticateAsClientAsync(TlsOptions(options), ct).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException)
        {
            throw new LdapException("TLS: " + exception.Message, exception);
        }
    }

    private static SslClientAuthenticationOptions TlsOptions(LdapConnectionOptions options)
    {
        var tls = new SslClientAuthenticationOptions
        {
            TargetHost = options.Host,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (options.Authorities is { } authorities)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return tls;
    }

    private async Task BindAsync(string name, string password, CancellationToken ct)
    {
        var id = ++_id;
        await SendAsync(LdapMessages.Bind(id, name, password), ct).ConfigureAwait(false);
        var result = await ReceiveResultAsync(id, LdapMessages.BindResponse, ct).ConfigureAwait(false);
        if (result.Code != LdapResult.Success)
        {
            throw new LdapException($"the server refuses the bind as {name}: {result}");
        }
    }

    private async Task<LdapResult> ReceiveResultAsync(int id, int kind, CancellationToken ct)
    {
        var (got, content) = await ReceiveAsync(id, ct).ConfigureAwait(false);
        return got == kind
            ? Decode(content, static reader => LdapMessages.ReadResult(reader, []))
            : throw new LdapException($"the server answered with the operation {got} instead of {kind}");
    }

    private async Task SendAsync(byte[] message, CancellationToken ct)
    {
        try
        {
            await _stream.WriteAsync(message, ct).ConfigureAwait(false);
        }
        catch (IOException exception)
        {
            throw new LdapException(exception.Message, exception);
        }
    }

    private async Task<(int Kind, AsnReader Content)> ReceiveAsync(int id, CancellationToken ct)
    {
        int length;
        while ((length = MessageLength(_buffer.AsSpan(0, _filled))) == 0 || length > _filled)
        {
            if (Math.Max(length, _filled + 1) > _buffer.Length)
            {
                Array.Resize(ref _buffer, Math.Max(length, _buffer.Length * 2));
            }

            await FillAsync(ct).ConfigureAwait(false);
        }

        var message = _buffer.AsSpan(0, length).ToArray();
        _buffer.AsSpan(length, _filled - length).CopyTo(_buffer);
        _filled -= length;
        try
        {
            var (of, kind, content) = LdapMessages.Open(message);
            return of == id ? (kind, content)
                : throw new LdapException(of == 0 ? "the server ends the connection" : "the server sent an answer without a command");
        }
        catch (AsnContentException exception)
        {
            throw new LdapException("the server does not speak LDAP: " + exception.Message, exception);
        }
    }

    private async Task FillAsync(CancellationToken ct)
    {
        try
        {
            var read = await _stream.ReadAsync(_buffer.AsMemory(_filled), ct).ConfigureAwait(false);
            _filled += read > 0 ? read : throw new LdapException("the server closed the connection");
        }
        catch (IOException exception)
        {
            throw new LdapException(exception.Message, exception);
        }
    }

    // The length of the first message, its head included; 0 while that is not known.
    private static int MessageLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 0 && bytes[0] != 0x30)
        {
            throw new LdapException("the server does not speak LDAP");
        }

        if (bytes.Length < 2)
        {
            return 0;
        }

        if (bytes[1] < 0x80)
        {
            return 2 + bytes[1];
        }

        // RFC 4511, section 5.1: the length is always told at once.
        var octets = bytes[1] & 0x7f;
        if (octets is 0 or > 4)
        {
            throw new LdapException("the server does not speak LDAP");
        }

        if (bytes.Length < 2 + octets)
        {
            return 0;
        }

        Span<byte> whole = stackalloc byte[4];
        whole.Clear();
        bytes.Slice(2, octets).CopyTo(whole[(4 - octets)..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(whole);
        return length <= MaxMessageBytes ? 2 + octets + (int)length : throw new LdapException("the server sent a message that is too long");
    }
}
