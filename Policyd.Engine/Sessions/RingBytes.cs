using System.Buffers.Binary;
using System.Numerics;

namespace Policyd.Engine.Sessions;

/// <summary>
/// The bytes of an <see cref="ExpiringRing"/>: a window that moves over positions without end. Behind it are a few segments, made when the
/// window reaches them and given up when it leaves them. A segment is a pinned array of bytes, which the garbage collector neither scans
/// nor moves. A number at a position that is a multiple of eight is within one segment; a longer range may go over the end of one into the
/// next.
/// </summary>
internal sealed class RingBytes
{
    private readonly byte[]?[] _segments;
    private readonly int _segmentBits;
    private byte[]? _spare;   // so that a window of constant length makes no new ones

    /// <summary>Makes an empty window.</summary>
    /// <param name="segmentBytes">The size of a segment, a power of two.</param>
    /// <param name="maxWindow">The most bytes that the window ever has.</param>
    public RingBytes(int segmentBytes, long maxWindow)
    {
        _segmentBits = BitOperations.Log2((uint)segmentBytes);
        _segments = new byte[BitOperations.RoundUpToPowerOf2((ulong)(maxWindow >> _segmentBits) + 2)][];
    }

    /// <summary>The memory of all segments.</summary>
    public long Reserved { get; private set; }

    private int SegmentBytes => 1 << _segmentBits;

    public long ReadNumber(long at) => BinaryPrimitives.ReadInt64LittleEndian(Segment(at).AsSpan(Offset(at)));

    public void WriteNumber(long at, long number) => BinaryPrimitives.WriteInt64LittleEndian(Segment(at).AsSpan(Offset(at)), number);

    public void Read(long at, Span<byte> to)
    {
        while (!to.IsEmpty)
        {
            var part = Part(at, to.Length);
            part.CopyTo(to);
            at += part.Length;
            to = to[part.Length..];
        }
    }

    /// <summary>Writes bytes and makes the segments that they need.</summary>
    public void Write(long at, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            MakeSegment(at);
            var part = Part(at, bytes.Length);
            bytes[..part.Length].CopyTo(part);
            at += part.Length;
            bytes = bytes[part.Length..];
        }
    }

    public bool Equals(long at, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var part = Part(at, bytes.Length);
            if (!part.SequenceEqual(bytes[..part.Length]))
            {
                return false;
            }

            at += part.Length;
            bytes = bytes[part.Length..];
        }

        return true;
    }

    /// <summary>Gives up what the window has left.</summary>
    /// <param name="from">Where it began.</param>
    /// <param name="to">Where it begins now.</param>
    public void Leave(long from, long to) => GiveUp(from >> _segmentBits, to >> _segmentBits);

    /// <summary>Gives up what the window has reached too far.</summary>
    /// <param name="to">Where it ends now.</param>
    /// <param name="from">Where it ended.</param>
    public void TakeBack(long to, long from) => GiveUp((to >> _segmentBits) + 1, ((from - 1) >> _segmentBits) + 1);

    private void GiveUp(long first, long end)
    {
        for (var number = first; number < end; number++)
        {
            ref var segment = ref _segments[(int)number & (_segments.Length - 1)];
            if (segment is null)
            {
                continue;
            }

            if (_spare is null)
            {
                _spare = segment;
            }
            else
            {
                Reserved -= SegmentBytes;
            }

            segment = null;
        }
    }

    private void MakeSegment(long at)
    {
        ref var segment = ref Segment(at);
        if (segment is not null)
        {
            return;
        }

        if (_spare is null)
        {
            segment = GC.AllocateUninitializedArray<byte>(SegmentBytes, pinned: true);
            Reserved += SegmentBytes;
        }
        else
        {
            (segment, _spare) = (_spare, null);
        }
    }

    private Span<byte> Part(long at, int length)
    {
        var offset = Offset(at);
        return Segment(at).AsSpan(offset, Math.Min(length, SegmentBytes - offset));
    }

    private int Offset(long at) => (int)at & (SegmentBytes - 1);

    private ref byte[]? Segment(long at) => ref _segments[(int)(at >> _segmentBits) & (_segments.Length - 1)];
}
