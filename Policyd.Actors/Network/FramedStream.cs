using System.Buffers;
using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;

namespace Policyd.Actors.Network;

/// <summary>
/// A connection to another node that carries frames of bytes. Each goes behind its length in four bytes. The thread that writes a frame
/// also sends it. What is written meanwhile gathers and goes out in one piece: under load a system call and a TLS record carry many frames.
/// </summary>
internal sealed class FramedStream : IDisposable
{
    /// <summary>The most bytes that wait for a peer that does not read.</summary>
    private const int MostWaiting = 4 * 1024 * 1024;

    private const int KeptBuffer = 256 * 1024;
    private const int LengthBytes = sizeof(int);
    private static readonly TimeSpan s_drainTime = TimeSpan.FromSeconds(2);

    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly int _mostBytes;
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private ArrayBufferWriter<byte> _gathering = new();
    private ArrayBufferWriter<byte> _sending = new();
    private IFrameListener? _listener;
    private bool _isWriting;
    private bool _isClosing;
    private bool _isReading;

    /// <param name="socket">The connection.</param>
    /// <param name="stream">The bytes on it, with TLS or without; owned.</param>
    /// <param name="mostBytes">The most bytes of a frame.</param>
    public FramedStream(Socket socket, Stream stream, int mostBytes) => (_socket, _stream, _mostBytes) = (socket, stream, mostBytes);

    /// <summary>Completes when the connection is closed.</summary>
    public Task Ended => _ended.Task;

    /// <summary>From now on the listener is given what comes.</summary>
    public void Begin(IFrameListener listener)
    {
        lock (_lock)
        {
            _listener = listener;
            BeginReading();
        }
    }

    /// <summary>Sends a frame of two parts; false when the connection ends, or too much waits for the peer.</summary>
    public bool TryWrite(ReadOnlySpan<byte> first, ReadOnlySpan<byte> rest)
    {
        lock (_lock)
        {
            if (_isClosing || _gathering.WrittenCount > MostWaiting)
            {
                return false;
            }

            BinaryPrimitives.WriteInt32LittleEndian(_gathering.GetSpan(LengthBytes), first.Length + rest.Length);
            _gathering.Advance(LengthBytes);
            _gathering.Write(first);
            _gathering.Write(rest);
            if (_isWriting)
            {
                return true;
            }

            _isWriting = true;
        }

        _ = WriteAsync();
        return true;
    }

    /// <summary>
    /// Ends it when all that was written is sent. The peer ends it too then; until it does, what it sends is read and ignored, because a
    /// close with unread bytes would take back what is on its way.
    /// </summary>
    public void End()
    {
        lock (_lock)
        {
            if (_isClosing)
            {
                return;
            }

            _isClosing = true;
            BeginReading();
            if (!_isWriting)
            {
                _isWriting = true;
                _ = Task.Run(WriteAsync);
            }
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

    // Null when nothing waits; the next frame begins to write again.
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
            // The other side is told by the end of the connection, as the listener is.
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

            _listener!.OnFrame(bytes.Slice(taken + LengthBytes, length));
            taken += LengthBytes + length;
        }

        return taken;
    }

    private void Close()
    {
        IFrameListener? listener;
        lock (_lock)
        {
            listener = _isClosing ? null : _listener;
            _isClosing = true;
        }

        _end.Cancel();
        _stream.Dispose();
        _ended.TrySetResult();
        listener?.OnLost();
    }

    private static bool IsEnd(Exception e) =>
        e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}

/// <summary>What comes on a <see cref="FramedStream"/>, on any thread but one after the other.</summary>
internal interface IFrameListener
{
    /// <summary>A frame; its bytes are the listener's until it returns.</summary>
    void OnFrame(ReadOnlySpan<byte> frame);

    /// <summary>The connection has ended, and not by this side.</summary>
    void OnLost()
    {
        // Who looks at FramedStream.Ended knows.
    }
}
