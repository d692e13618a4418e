namespace Policyd.Actors.Connections;

/// <summary>
/// What a connection has received: one object for all of its life, since a stream puts each element that is a structure in a box.
/// Its bytes are the socket's buffer: they are to be used before the next are asked for.
/// </summary>
internal sealed class ReceivedBytes(byte[] buffer)
{
    public byte[] Buffer { get; } = buffer;

    /// <summary>How many bytes of the buffer are received.</summary>
    public int Count { get; set; }

    public ReadOnlySpan<byte> Span => Buffer.AsSpan(0, Count);
}
