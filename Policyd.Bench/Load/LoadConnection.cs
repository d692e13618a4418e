using System.Net;
using System.Net.Sockets;

namespace Policyd.Bench.Load;

/// <summary>What the bytes that came on a connection amount to.</summary>
internal enum ReplyStatus
{
    Partial,
    Complete,
    Malformed,
    Closed,
}

/// <summary>One connection with its one request in flight: the bytes still to send and the bytes of the answer so far.</summary>
/// <param name="firstMail">The number of its first mail.</param>
internal sealed class LoadConnection(int number, RequestTemplate template, long firstMail) : IDisposable
{
    private const int MaxReply = 8192;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly byte[] _request = new byte[template.MaxLength];
    private readonly byte[] _reply = new byte[MaxReply];
    private int _requestLength;
    private int _sent;
    private int _received;
    private long _mail = firstMail;
    private int _recipient;

    public int Number => number;

    public Socket? Socket { get; private set; }

    public bool InFlight { get; private set; }

    /// <summary>True while it stands in the queue of connections that wait for a request that is due.</summary>
    public bool Waiting { get; set; }

    /// <summary>True when the request was begun inside the measured time.</summary>
    public bool Measured { get; private set; }

    /// <summary>Stopwatch time from which the request's latency counts: when it was sent, or when it was due.</summary>
    public long Begun { get; private set; }

    /// <summary>Stopwatch time at which the request in flight was sent.</summary>
    public long SentAt { get; private set; }

    /// <summary>The next request is the first of its mail.</summary>
    public bool BeginsMail => _recipient == 0;

    public bool HasUnsent => InFlight && _sent < _requestLength;

    /// <summary>The action of a complete answer: what stands between "action=" and the empty line.</summary>
    public ReadOnlySpan<byte> Action => _reply.AsSpan("action=".Length, _received - "action=".Length - 2);

    public ReadOnlySpan<byte> Received => _reply.AsSpan(0, _received);

    public void Connect(EndPoint endpoint)
    {
        Socket = Sockets.Connect(endpoint, ConnectTimeout);
        Socket.Blocking = false;
    }

    /// <summary>Writes the next request into the buffer; <see cref="TrySend"/> sends it.</summary>
    public void Begin(int key, long request, int recipientsPerInstance, bool measured, long begun, long now)
    {
        _requestLength = template.Write(_request, new RequestNumbers(key, request, number, _mail, _recipient));
        if (++_recipient >= recipientsPerInstance)
        {
            (_mail, _recipient) = (_mail + 1, 0);
        }

        (_sent, _received, InFlight, Measured, Begun, SentAt) = (0, 0, true, measured, begun, now);
    }

    /// <summary>Sends what the socket takes. False when the connection is broken.</summary>
    public bool TrySend()
    {
        while (_sent < _requestLength)
        {
            var count = Socket!.Send(_request.AsSpan(_sent, _requestLength - _sent), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                return true;
            }

            if (error != SocketError.Success)
            {
                return false;
            }

            _sent += count;
        }

        return true;
    }

    /// <summary>Takes what has come. Bytes that come without a request, or after the end of its answer, are malformed.</summary>
    public ReplyStatus Receive()
    {
        var count = Socket!.Receive(_reply.AsSpan(_received), SocketFlags.None, out var error);
        if (error == SocketError.WouldBlock)
        {
            return ReplyStatus.Partial;
        }

        if (error != SocketError.Success || count == 0)
        {
            return ReplyStatus.Closed;
        }

        _received += count;
        if (!InFlight)
        {
            return ReplyStatus.Malformed;
        }

        return Judge(Received);
    }

    public void End() => InFlight = false;

    /// <summary>Leaves the connection as the client would after a failure; the mail is over with it.</summary>
    public void Break()
    {
        Socket?.Dispose();
        Socket = null;
        InFlight = false;
        _received = 0;
        (_mail, _recipient) = (_mail + 1, 0);
    }

    public void Dispose() => Socket?.Dispose();

    // Exactly one line "action=..." and the empty line: anything else would mislead Postfix.
    private static ReplyStatus Judge(ReadOnlySpan<byte> reply)
    {
        var line = reply.IndexOf((byte)'\n');
        if (line < 0 || line == reply.Length - 1)
        {
            return reply.Length < MaxReply ? ReplyStatus.Partial : ReplyStatus.Malformed;
        }

        var wellFormed = line == reply.Length - 2 && reply[^1] == (byte)'\n' && reply.StartsWith("action="u8) && line > "action=".Length;
        return wellFormed ? ReplyStatus.Complete : ReplyStatus.Malformed;
    }
}
