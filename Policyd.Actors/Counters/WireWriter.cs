using System.Buffers.Binary;
using System.Text;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>Writes what <see cref="CounterWire"/> is made of. Its buffer is kept from one message to the next.</summary>
internal sealed class WireWriter
{
    private byte[] _bytes = new byte[256];
    private int _length;

    public int Length => _length;

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    public byte[] ToArray() => Written.ToArray();

    public void Clear() => _length = 0;

    public void Byte(byte value) => Room(1)[0] = value;

    public void Number(ulong value)
    {
        while (value >= 0x80)
        {
            Byte((byte)(value | 0x80));
            value >>= 7;
        }

        Byte((byte)value);
    }

    public void Signed(long value) => Number((ulong)((value << 1) ^ (value >> 63)));

    public void Double(double value) => BinaryPrimitives.WriteDoubleBigEndian(Room(8), value);

    public void Life(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Room(8), value);

    public void Id(UInt128 value) => BinaryPrimitives.WriteUInt128BigEndian(Room(16), value);

    /// <summary>None, the request's id, or that and the one of version 1.</summary>
    public void Ids(AddOperation add)
    {
        Byte(add.RequestId is null ? (byte)0 : add.FormerId is null ? (byte)1 : (byte)2);
        if (add.RequestId is { } id)
        {
            Id(id);
            if (add.FormerId is { } former)
            {
                Id(former);
            }
        }
    }

    public void Text(string value)
    {
        var count = Encoding.UTF8.GetByteCount(value);
        Number((ulong)count);
        Encoding.UTF8.GetBytes(value, Room(count));
    }

    public void Amounts(CounterAmounts amounts)
    {
        Signed(amounts.Count);
        Signed(amounts.CountRcpt);
        Signed(amounts.Size);
        Signed(amounts.SizeRcpt);
    }

    public void Key(CounterKey key)
    {
        Text(key.Connection);
        Text(key.Table);
        Text(key.Key);
    }

    public void KeyAndWindow(CounterOperation operation)
    {
        Key(operation.Key);
        Window(operation.Window);
    }

    /// <summary>A rolling window is its length and its bucket's start, 0 and a text a calendar one.</summary>
    public void Window(CounterWindow window)
    {
        if (window.Rolling is { } span)
        {
            Number((ulong)span.TotalSeconds);
            Number((ulong)window.BucketBegin);
        }
        else
        {
            Number(0);
            Text(window.Time);
        }
    }

    private Span<byte> Room(int count)
    {
        if (_length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        }

        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }
}
