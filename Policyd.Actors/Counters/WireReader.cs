using System.Buffers.Binary;
using System.Text;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Reads what <see cref="WireWriter"/> wrote. Whatever the bytes are, it throws nothing but <see cref="InvalidDataException"/>.
/// </summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes)
{
    private const int MostText = 1 << 20;

    private ReadOnlySpan<byte> _rest = bytes;

    public readonly void End()
    {
        if (!_rest.IsEmpty)
        {
            throw new InvalidDataException("bytes stand behind the message");
        }
    }

    public byte Byte(byte largest)
    {
        var value = Take(1)[0];
        return value <= largest ? value : throw new InvalidDataException($"{value} is larger than {largest}");
    }

    public ulong Number()
    {
        var value = 0ul;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Take(1)[0];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new InvalidDataException("a number of more than 64 bits");
    }

    public int Count(int most)
    {
        var count = Number();
        return count <= (ulong)most ? (int)count : throw new InvalidDataException($"{count} are more than {most}");
    }

    public double Double() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    public ulong Life() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public UInt128 Id() => BinaryPrimitives.ReadUInt128BigEndian(Take(16));

    public MailId Mail() => new(Id());

    public string Text() => Encoding.UTF8.GetString(Take(Count(MostText)));

    /// <summary>A text that most messages have in common.</summary>
    public string CommonText() => CommonTexts.Of(Take(Count(MostText)));

    public CounterAmounts Amounts() => new(Signed(), Signed(), Signed(), Signed());

    public CounterKey Key() => new(CommonText(), CommonText(), Text());

    public CounterWindow Window()
    {
        var seconds = Count(int.MaxValue);
        return seconds == 0
            ? new CounterWindow(CommonText())
            : CounterWindow.OfBucket(TimeSpan.FromSeconds(seconds), Count(int.MaxValue));
    }

    private long Signed()
    {
        var value = Number();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
        {
            throw new InvalidDataException("the message ends too soon");
        }

        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
