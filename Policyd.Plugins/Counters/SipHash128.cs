using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace Policyd.Plugins.Counters;

/// <summary>
/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): a keyed hash of short texts. Whoever does not know the key cannot choose
/// two texts with equal hashes. The platform has no such hash, and a cryptographic one costs a call into OpenSSL for each text.
/// It allocates nothing: texts are encoded as UTF-8 into a buffer of the caller and hashed from there.
/// Keys and hashes are the reference's 16 bytes, read as a little-endian number.
/// </summary>
[SuppressMessage("Performance", "CA1815", Justification = "A computation, which nobody compares.")]
internal ref struct SipHash128
{
    /// <summary>A buffer of this size holds the texts of most ids as a whole. Any from 16 bytes on gives the same hash.</summary>
    public const int BufferSize = 128;

    private const int BlockSize = sizeof(ulong);

    private readonly Span<byte> _buffer;
    private ulong _v0;
    private ulong _v1;
    private ulong _v2;
    private ulong _v3;
    private int _buffered;
    private int _hashed;

    /// <summary>Begins a hash.</summary>
    /// <param name="key">The key.</param>
    /// <param name="buffer">Where texts are encoded, at least 16 bytes.</param>
    public SipHash128(UInt128 key, Span<byte> buffer)
    {
        var (k0, k1) = ((ulong)key, (ulong)(key >> 64));
        _buffer = buffer;
        _v0 = k0 ^ 0x736f6d6570736575;
        _v1 = k1 ^ 0x646f72616e646f6d ^ 0xee;
        _v2 = k0 ^ 0x6c7967656e657261;
        _v3 = k1 ^ 0x7465646279746573;
    }

    /// <summary>Adds one byte.</summary>
    public void Append(byte value)
    {
        if (_buffered == _buffer.Length)
        {
            HashBlocks();
        }

        _buffer[_buffered++] = value;
    }

    /// <summary>Adds the UTF-8 of a text; half a surrogate pair counts as U+FFFD.</summary>
    public void Append(ReadOnlySpan<char> text)
    {
        while (true)
        {
            var status = Utf8.FromUtf16(text, _buffer[_buffered..], out var read, out var written);
            _buffered += written;
            if (status != OperationStatus.DestinationTooSmall)
            {
                return;
            }

            // What is left after this is less than a block, so that the next letter fits.
            text = text[read..];
            HashBlocks();
        }
    }

    /// <summary>The hash of all that was added. Nothing may be added afterwards.</summary>
    public UInt128 Finish()
    {
        HashBlocks();
        var last = (ulong)(_hashed + _buffered) << 56;
        for (var index = 0; index < _buffered; index++)
        {
            last |= (ulong)_buffer[index] << (8 * index);
        }

        var (v0, v1, v2, v3) = (_v0, _v1, _v2, _v3);
        Compress(last, ref v0, ref v1, ref v2, ref v3);
        v2 ^= 0xee;
        TwoRounds(ref v0, ref v1, ref v2, ref v3);
        TwoRounds(ref v0, ref v1, ref v2, ref v3);
        var first = v0 ^ v1 ^ v2 ^ v3;
        v1 ^= 0xdd;
        TwoRounds(ref v0, ref v1, ref v2, ref v3);
        TwoRounds(ref v0, ref v1, ref v2, ref v3);
        return new UInt128(v0 ^ v1 ^ v2 ^ v3, first);
    }

    /// <summary>Hashes the whole blocks of the buffer and moves the rest to its beginning.</summary>
    private void HashBlocks()
    {
        // In local variables, which are registers.
        var (v0, v1, v2, v3) = (_v0, _v1, _v2, _v3);
        var whole = _buffered & ~(BlockSize - 1);
        var blocks = MemoryMarshal.Cast<byte, ulong>(_buffer[..whole]);
        foreach (var block in blocks)
        {
            Compress(BitConverter.IsLittleEndian ? block : BinaryPrimitives.ReverseEndianness(block), ref v0, ref v1, ref v2, ref v3);
        }

        (_v0, _v1, _v2, _v3) = (v0, v1, v2, v3);
        _buffer[whole.._buffered].CopyTo(_buffer);
        _hashed += whole;
        _buffered -= whole;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Compress(ulong block, ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v3 ^= block;
        TwoRounds(ref v0, ref v1, ref v2, ref v3);
        v0 ^= block;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TwoRounds(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v2 += v3;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 = BitOperations.RotateLeft(v0, 32) + v3;
        v2 += v1;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
