using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Policyd.Backends.Dns;

// One server to ask. Each question has a socket of its own, so a forger must guess its port as well as its id; datagrams that are not
// the answer are passed over, for the answer may still come.
internal sealed class DnsServer(IPEndPoint endpoint, TimeProvider clock)
{
    private static readonly TimeSpan s_lastChoice = TimeSpan.FromSeconds(30);
    private long _silentAt;
    private volatile bool _silent;

    public IPEndPoint Endpoint { get; } = endpoint;

    /// <summary>Whether it let a question go unanswered lately: others are asked first.</summary>
    public bool IsSilent => _silent && clock.GetElapsedTime(Volatile.Read(ref _silentAt)) < s_lastChoice;

    public void WasSilent()
    {
        Volatile.Write(ref _silentAt, clock.GetTimestamp());
        _silent = true;
    }

    /// <summary>Asks until an answer or the cancellation comes; null when it was cancelled.</summary>
    public async Task<DnsReply?> AskAsync(DnsKey key, CancellationToken ct)
    {
        try
        {
            var reply = await AskAsync(key, edns: true, ct).ConfigureAwait(false);
            if (ReferenceEquals(reply, DnsReply.NotUnderstood))
            {
                reply = await AskAsync(key, edns: false, ct).ConfigureAwait(false);
            }

            _silent = false;
            return reply;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (Exception e) when (e is SocketException or IOException or DnsFormatException)
        {
            return ct.IsCancellationRequested ? null : DnsReply.Failure;
        }
    }

    private async Task<DnsReply> AskAsync(DnsKey key, bool edns, CancellationToken ct)
    {
        var id = (ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1);
        var question = DnsWire.Question(id, key, edns);
        var reply = await AskByDatagramAsync(question, id, key, ct).ConfigureAwait(false);
        return ReferenceEquals(reply, DnsReply.Truncated) ? await AskByStreamAsync(question, id, key, ct).ConfigureAwait(false) : reply;
    }

    private async Task<DnsReply> AskByDatagramAsync(byte[] question, ushort id, DnsKey key, CancellationToken ct)
    {
        using var socket = new Socket(Endpoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(Endpoint, ct).ConfigureAwait(false);
        await socket.SendAsync(question, ct).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            while (true)
            {
                var length = await socket.ReceiveAsync(buffer.AsMemory(), ct).ConfigureAwait(false);
                if (DnsWire.Answers(buffer.AsSpan(0, length), id, key))
                {
                    return DnsWire.Read(buffer.AsSpan(0, length), key);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<DnsReply> AskByStreamAsync(byte[] question, ushort id, DnsKey key, CancellationToken ct)
    {
        using var socket = new Socket(Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(Endpoint, ct).ConfigureAwait(false);
        var framed = new byte[question.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)question.Length);
        question.CopyTo(framed, 2);
        using var stream = new NetworkStream(socket);
        await stream.WriteAsync(framed, ct).ConfigureAwait(false);
        await stream.ReadExactlyAsync(framed.AsMemory(0, 2), ct).ConfigureAwait(false);
        var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(framed)];
        await stream.ReadExactlyAsync(message, ct).ConfigureAwait(false);
        if (!DnsWire.Answers(message, id, key))
        {
            return DnsReply.Failure;
        }

        var reply = DnsWire.Read(message, key);
        return ReferenceEquals(reply, DnsReply.Truncated) ? DnsReply.Failure : reply;
    }
}
