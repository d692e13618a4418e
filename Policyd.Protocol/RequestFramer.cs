using System.Diagnostics.CodeAnalysis;

namespace Policyd.Protocol;

/// <summary>What <see cref="RequestFramer.TryTake"/> found.</summary>
public enum FrameStatus
{
    /// <summary>No whole request is there yet.</summary>
    NeedMore,

    /// <summary>A request, up to and including its empty line.</summary>
    Frame,

    /// <summary>The bytes cannot become a request; nothing after them can be trusted, so the connection should be closed.</summary>
    Malformed,
}

/// <summary>
/// Cuts the bytes of a connection into requests: each ends with an empty line (LF LF, also after CR). The bytes may come in any cut, a
/// request in many pieces and many in one. It remembers how far it has looked, so that a sender of single bytes costs no more
/// than one of whole packets. Not safe for several threads: a connection has one.
/// </summary>
public sealed class RequestFramer(RequestLimits limits)
{
    private const int SmallestBuffer = 1024;

    // What an idle connection may keep: one unusual request must not cost its memory for as long as Postfix stays connected.
    private const int LargestIdleBuffer = 4096;

    // Rented. Holds what has come and was not taken: from _start to _end. _scanned is where the search for the next LF goes on.
    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private int _scanned;
    private int _lineStart;

    /// <summary>True when the connection holds the beginning of a request: a close now cuts it off.</summary>
    public bool HasPartial => _end > _start;

    /// <summary>Takes bytes over; the span may be reused afterwards.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_buffer.Length - _end < bytes.Length)
        {
            MakeRoom(bytes.Length);
        }

        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>
    /// Takes the next request out. <paramref name="frame"/> is memory of its own and stays as it is. A request that exceeds the bound is
    /// refused as soon as that is sure, not when it ends.
    /// </summary>
    public FrameStatus TryTake(out ReadOnlyMemory<byte> frame, [MaybeNullWhen(true)] out RequestError? error)
    {
        var status = TryFind(out var length, out error);
        frame = status == FrameStatus.Frame ? Take(length).ToArray() : default;
        return status;
    }

    /// <summary>
    /// The same into memory of <see cref="FramePool"/>: whoever takes the frame gives it back when nobody reads it any more. It may be
    /// longer than the frame.
    /// </summary>
    internal FrameStatus TryRent(out byte[]? frame, out int length, [MaybeNullWhen(true)] out RequestError? error)
    {
        var status = TryFind(out length, out error);
        frame = null;
        if (status == FrameStatus.Frame)
        {
            frame = _start == 0 && _lineStart == _end ? HandOver() : Copy(length);
        }

        return status;
    }

    // As nearly always: one request has come, and nothing behind it. An idle connection then holds no buffer.
    private byte[] HandOver()
    {
        var frame = _buffer;
        _buffer = [];
        _start = _end = _scanned = _lineStart = 0;
        return frame;
    }

    private byte[] Copy(int length)
    {
        var frame = FramePool.Rent(length);
        Take(length).CopyTo(frame);
        return frame;
    }

    private FrameStatus TryFind(out int length, out RequestError? error)
    {
        length = 0;
        error = null;
        while (true)
        {
            var found = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
            if (found < 0)
            {
                _scanned = _end;
                return WithinBound(_end, out error) ? FrameStatus.NeedMore : FrameStatus.Malformed;
            }

            var lineEnd = _scanned + found;
            var line = _buffer.AsSpan(_lineStart, lineEnd - _lineStart);
            _scanned = _lineStart = lineEnd + 1;
            if (!WithinBound(_lineStart, out error))
            {
                return FrameStatus.Malformed;
            }

            if (line.IsEmpty || (line.Length == 1 && line[0] == '\r'))
            {
                length = _lineStart - _start;
                return FrameStatus.Frame;
            }
        }
    }

    // The bytes are to be copied before anything is appended.
    private ReadOnlySpan<byte> Take(int length)
    {
        var taken = _buffer.AsSpan(_start, length);
        _start = _lineStart;
        if (_start == _end)
        {
            _start = _end = _scanned = _lineStart = 0;
            if (_buffer.Length > LargestIdleBuffer)
            {
                _buffer = [];
            }
        }

        return taken;
    }

    private bool WithinBound(int end, out RequestError? error)
    {
        error = end - _start > limits.MaxRequestBytes ? PolicyRequestReader.TooLarge(limits) : null;
        return error is null;
    }

    private void MakeRoom(int bytes)
    {
        var held = _end - _start;
        var buffer = _buffer;
        if (buffer.Length < held + bytes)
        {
            buffer = FramePool.Rent(Math.Max(SmallestBuffer, Math.Max(buffer.Length * 2, held + bytes)));
        }

        Buffer.BlockCopy(_buffer, _start, buffer, 0, held);
        if (_buffer != buffer && _buffer.Length > 0)
        {
            FramePool.Return(_buffer);
        }

        _buffer = buffer;
        _scanned -= _start;
        _lineStart -= _start;
        _end = held;
        _start = 0;
    }
}
