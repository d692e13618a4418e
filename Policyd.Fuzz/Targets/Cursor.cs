using System.Buffers.Binary;
using System.Text;

namespace Policyd.Fuzz.Targets;

/// <summary>The plain readers' one exception: the bytes are not what they should be.</summary>
internal sealed class MalformedException(string message) : Exception(message);

/// <summary>A place in some bytes, for plain readers. Every read is checked against the end.</summary>
internal sealed class Cursor(byte[] bytes, long at = 0)
{
    public long At { get; set; } = at;

    public bool IsAtEnd => At >= bytes.Length;

    public byte[] Take(long length)
    {
        if (At < 0 || length < 0 || At + length > bytes.Length)
        {
            throw new MalformedException("beyond the end");
        }

        At += length;
        return bytes[(int)(At - length)..(int)At];
    }

    public int Byte() => Take(1)[0];

    public int Big16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint Big32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public int Little16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint Little32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong Little64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public string Utf8(long length) => Encoding.UTF8.GetString(Take(length));

    public string Latin1(long length) => Encoding.Latin1.GetString(Take(length));
}
