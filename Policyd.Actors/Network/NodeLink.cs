using System.Buffers;
using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;

namespace Policyd.Actors.Network;

/// <summary>
/// A connection to another node. Each payload goes behind its length in four bytes. What is written while an earlier write is under way
/// gathers and goes out in one piece: under load a system call and a TLS record carry many messages.
/// </summary>
internal sealed class NodeLink : AssociationHandle, IDisposable
{
    /// <summary>The most bytes that wait for a peer that does not read; Akka then keeps the messages and tries again.</summary>
    private const int MostWaiting = 4 * 1024 * 1024;

    private const int KeptBuffer = 256 * 1024;
    private const int LengthBytes = sizeof(int);
    private static readonly TimeSpan s_drainTime = TimeSpan.FromSeconds(2);

    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly int _mostBytes;
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _lock = new();
    private ArrayBufferWriter<byte> _gathering = new();
    private ArrayBufferWriter<byte> _sending = new();
    private IHandleEventListener? _listener;
    private bool _isWriting;
    private bool _isClosing;
    private bool _isReading;

    public NodeLink(Address local, Address remote, Socket socket, Stream stream, int mostBytes)
        : base(local, remote)
    {
        (_socket, _stream, _mostBytes) = (socket, stream, mostBytes);
        _ = BeginAsync();
    }

    /// <summary>Called once, when the connection is closed.</summary>
    public Action<NodeLink>? Closed { get; set; }

    public override bool Write(ByteString payload)
    {
        lock (_lock)
        {
            if (_isClosing || _gathering.WrittenCount > MostWaiting)
            {
                return false;
            }

            BinaryPrimitives.WriteInt32LittleEndian(_gathering.GetSpan(LengthBytes), payload.Length);
            _gathering.Advance(LengthBytes);
            _gathering.Write(payload.Span);
            BeginWriting();
            return true;
        }
    }

    /// <summary>
    /// Ends it when all that was written is sent. The peer ends it too then; until it does, what it sends is read and ignored, because a
    /// close with unread bytes would take back what is on its way.
    /// </summary>
    [Obsolete("Akka's other overload calls this one.")]
    public override void Disassociate()
    {
        lock (_lock)
        {
            if (_isClosing)
            {
                return;
            }

            _isClosing = true;
            BeginWriting();
            BeginReading();
        }

        _end.CancelAfter(s_drainTime);
    }

    /// <summary>Ends it at once.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isClosing = true;
            BeginReading();
        }

        _end.Cancel();
    }

    private async Task BeginAsync()
    {
        var listener = await ReadHandlerSource.Task.ConfigureAwait(false);
        lock (_lock)
        {
            _listener = listener;
            BeginReading();
        }
    }

    // Under the lock.
    private void BeginWriting()
    {
        if (!_isWriting)
        {
            _isWriting = true;
            _ = Task.Run(WriteAsync);
        }
    }

    // Under the lock.
    private void BeginReading()
    {
        if (!_isReading)
        {
            _isReading = true;
            _ = Task.Run(ReadAsync);
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            while (Gathered() is { } bytes)
            {
                await _stream.WriteAsync(bytes, _end.Token).ConfigureAwait(false);
            }

            if (Volatile.Read(ref _isClosing))
            {
                if (_stream is SslStream secure)
                {
                    await secure.ShutdownAsync().ConfigureAwait(false);
                }

                _socket.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            await _end.CancelAsync().ConfigureAwait(false);
        }
    }

    // Null when nothing waits; the next payload begins to write again.
    private ReadOnlyMemory<byte>? Gathered()
    {
        lock (_lock)
        {
            (_gathering, _sending) = (_sending, _gathering);
            if (_gathering.Capacity > KeptBuffer)
            {
                _gathering = new ArrayBufferWriter<byte>();
            }

            _gathering.ResetWrittenCount();
            if (_sending.WrittenCount > 0)
            {
                return _sending.WrittenMemory;
            }

            _isWriting = _isClosing;   // nothing follows then, and the end is sent once
            return null;
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            var buffer = new byte[64 * 1024];
            var filled = 0;
            while (await _stream.ReadAsync(buffer.AsMemory(filled), _end.Token).ConfigureAwait(false) is var read and > 0)
            {
                if (Volatile.Read(ref _isClosing))
                {
                    continue;
                }

                filled += read;
                var taken = Deliver(buffer.AsSpan(0, filled), out var needed);
                buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
                filled -= taken;
                if (needed > buffer.Length)
                {
                    Array.Resize(ref buffer, needed);
                }
            }
        }
        catch (Exception e) when (IsEnd(e) || e is InvalidDataException)
        {
            // The other side is told by the end of the connection, as Akka's side is.
        }

        Close();
    }

    private int Deliver(ReadOnlySpan<byte> bytes, out int needed)
    {
        var taken = 0;
        needed = 0;
        while (bytes.Length - taken >= LengthBytes)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes[taken..]);
            if (length < 0 || length > _mostBytes)
            {
                throw new InvalidDataException();
            }

            if (bytes.Length - taken - LengthBytes < length)
            {
                needed = LengthBytes + length;
                break;
            }

            _listener!.Notify(new InboundPayload(ByteString.CopyFrom(bytes.Slice(taken + LengthBytes, length))));
            taken += LengthBytes + length;
        }

        return taken;
    }

    private void Close()
    {
        IHandleEventListener? listener;
        lock (_lock)
        {
            listener = _isClosing ? null : _listener;
            _isClosing = true;
        }

        _end.Cancel();
        _stream.Dispose();
        Closed?.Invoke(this);
        listener?.Notify(new Disassociated(DisassociateInfo.Unknown));
    }

    private static bool IsEnd(Exception e) =>
        e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}
