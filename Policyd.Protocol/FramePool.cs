using System.Buffers;

namespace Policyd.Protocol;

/// <summary>
/// The buffers of connections and the frames of requests. .NET's shared pool keeps a few arrays of a size for each processor: with more
/// requests in flight than that, most frames would be made anew. This one keeps enough for a busy server, and at most 8 MB.
/// </summary>
internal static class FramePool
{
    /// <summary>Bytes; what is larger is rare, and comes from the shared pool.</summary>
    public const int Largest = 16 * 1024;

    private const int MostOfASize = 256;

    private static readonly ArrayPool<byte> s_pool = ArrayPool<byte>.Create(Largest, MostOfASize);

    /// <summary>An array of at least this length.</summary>
    public static byte[] Rent(int length) => (length <= Largest ? s_pool : ArrayPool<byte>.Shared).Rent(length);

    /// <summary>Gives one back that nobody reads or writes any more.</summary>
    public static void Return(byte[] array) => (array.Length <= Largest ? s_pool : ArrayPool<byte>.Shared).Return(array);
}
