using System.Buffers.Binary;

namespace Policyd.Engine.Sessions;

/// <summary>
/// How an entry stands in the bytes of an <see cref="ExpiringRing"/>: four numbers of eight bytes, the key, the value, and nothing up to
/// the next multiple of eight.
/// </summary>
internal static class RingEntry
{
    /// <summary>Where the next entry of the same bucket is.</summary>
    public const int NextOffset = 0;

    /// <summary>When the entry expires.</summary>
    public const int ExpiresOffset = 8;

    /// <summary>The key's hash in the upper half, its length in the lower.</summary>
    public const int KeyOffset = 16;

    /// <summary>The value's length.</summary>
    public const int ValueOffset = 24;

    /// <summary>The size of the four numbers.</summary>
    public const int HeaderBytes = 32;

    /// <summary>The expiry of an entry that was removed, or superseded by a newer one.</summary>
    public const long Removed = long.MinValue;

    public static long HashAndLength(int hash, int keyLength) => ((long)hash << 32) | (uint)keyLength;

    public static int Hash(long hashAndLength) => (int)(hashAndLength >> 32);

    public static int KeyLength(long hashAndLength) => (int)hashAndLength;

    /// <summary>The bytes of the whole entry.</summary>
    public static long Size(long keyLength, long valueLength) => (HeaderBytes + keyLength + valueLength + 7) & ~7L;

    public static void WriteHeader(Span<byte> to, long expires, int hash, int keyLength, int valueLength)
    {
        BinaryPrimitives.WriteInt64LittleEndian(to[NextOffset..], 0);
        BinaryPrimitives.WriteInt64LittleEndian(to[ExpiresOffset..], expires);
        BinaryPrimitives.WriteInt64LittleEndian(to[KeyOffset..], HashAndLength(hash, keyLength));
        BinaryPrimitives.WriteInt64LittleEndian(to[ValueOffset..], valueLength);
    }
}
