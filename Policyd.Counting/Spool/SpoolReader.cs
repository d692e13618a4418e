using System.Buffers.Binary;

namespace Policyd.Counting.Spool;

/// <summary>
/// Reads a spool file from its beginning. It ends before the first frame that is not whole: a group that was being written when the server
/// was killed, of which nothing was answered.
/// </summary>
internal sealed class SpoolReader
{
    private readonly Stream _stream;
    private byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    /// <param name="stream">The file, at its beginning.</param>
    public SpoolReader(Stream stream)
    {
        _stream = stream;
        if (TryTake(SpoolFormat.Magic.Length + 1, out var head) && head[..^1].SequenceEqual(SpoolFormat.Magic))
        {
            OtherVersion = head[^1] == SpoolFormat.Version ? null : head[^1];
            Header = OtherVersion is null && TryTakeFrame(out var body) ? SpoolFormat.ReadHeader(body) : null;
        }
    }

    /// <summary>The head; null when the file is no spool, or its first bytes had not reached the disk.</summary>
    public SpoolHeader? Header { get; }

    /// <summary>The version of a spool that this server cannot read; null when it can.</summary>
    public int? OtherVersion { get; }

    /// <summary>How many bytes were read as whole frames.</summary>
    public long ValidLength { get; private set; }

    /// <summary>The entries, each once.</summary>
    public IEnumerable<SpoolEntry> Entries()
    {
        while (Header is not null && Next() is { } entry)
        {
            yield return entry;
        }
    }

    private SpoolEntry? Next()
    {
        var before = ValidLength;
        var entry = TryTakeFrame(out var body) ? SpoolFormat.ReadEntry(body) : null;
        if (entry is null)
        {
            ValidLength = before;
        }

        return entry;
    }

    private bool TryTakeFrame(out ReadOnlySpan<byte> body)
    {
        body = default;
        if (!TryFill(SpoolFormat.FrameHead))
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
        if (length > SpoolFormat.MaxBody || !TryFill(SpoolFormat.FrameHead + (int)length))
        {
            return false;
        }

        var frame = _buffer.AsSpan(_start, SpoolFormat.FrameHead + (int)length);
        var sum = BinaryPrimitives.ReadUInt32BigEndian(frame[4..]);
        if (SpoolFormat.Sum(frame[..4], frame[SpoolFormat.FrameHead..]) != sum)
        {
            return false;
        }

        TryTake(frame.Length, out var taken);
        body = taken[SpoolFormat.FrameHead..];
        return true;
    }

    private bool TryTake(int count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!TryFill(count))
        {
            return false;
        }

        bytes = _buffer.AsSpan(_start, count);
        _start += count;
        ValidLength += count;
        return true;
    }

    /// <summary>So many bytes are in the buffer, unless the file ends before.</summary>
    private bool TryFill(int count)
    {
        if (_end - _start >= count)
        {
            return true;
        }

        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);

        // Grows with what is really there, not with what a damaged length says.
        while (_end < count)
        {
            if (_end == _buffer.Length)
            {
                Array.Resize(ref _buffer, Math.Min(_buffer.Length * 2, SpoolFormat.FrameHead + SpoolFormat.MaxBody));
            }

            var read = _stream.Read(_buffer, _end, _buffer.Length - _end);
            if (read == 0)
            {
                return false;
            }

            _end += read;
        }

        return true;
    }
}
