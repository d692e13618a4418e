using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Policyd.Fuzz.Harness;

/// <summary>
/// Makes new inputs of old ones. It knows what most formats are made of: bytes, numbers in text and in binary, lines, words, and blocks
/// that repeat.
/// </summary>
internal sealed class Mutator(Random random, IReadOnlyList<byte[]> words, int longest)
{
    private const int MostSteps = 8;

    private static readonly long[] s_numbers =
    [
        0, 1, 2, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 512, 1000, 4095, 4096, 32767, 32768, 65535, 65536,
        int.MaxValue, 1L + int.MaxValue, uint.MaxValue, 1L + uint.MaxValue, long.MaxValue, -1, int.MinValue, long.MinValue,
    ];

    /// <summary>A mutant of the first input; the other one gives parts to splice in.</summary>
    public byte[] Mutate(byte[] input, byte[] other)
    {
        var bytes = new List<byte>(input);
        var steps = 1;
        while (steps < MostSteps && random.Next(2) == 0)
        {
            steps++;
        }

        for (; steps > 0; steps--)
        {
            Step(bytes, other);
        }

        if (bytes.Count > longest)
        {
            bytes.RemoveRange(longest, bytes.Count - longest);
        }

        return [.. bytes];
    }

    private void Step(List<byte> bytes, byte[] other)
    {
        if (bytes.Count == 0)
        {
            bytes.AddRange(Part(other));
            return;
        }

        switch (random.Next(14))
        {
            case 0: FlipBit(bytes); break;
            case 1: bytes[random.Next(bytes.Count)] = (byte)random.Next(256); break;
            case 2: bytes.Insert(random.Next(bytes.Count + 1), (byte)random.Next(256)); break;
            case 3: RemoveBlock(bytes); break;
            case 4: bytes.InsertRange(random.Next(bytes.Count + 1), Part(other)); break;
            case 5: Overwrite(bytes, Part(other)); break;
            case 6 or 7: InsertWord(bytes); break;
            case 8: ReplaceByWord(bytes); break;
            case 9: Truncate(bytes); break;
            case 10: RepeatBlock(bytes); break;
            case 11: EditNumber(bytes); break;
            case 12: EditBinary(bytes); break;
            default: MoveLine(bytes); break;
        }
    }

    private void FlipBit(List<byte> bytes)
    {
        var at = random.Next(bytes.Count);
        bytes[at] ^= (byte)(1 << random.Next(8));
    }

    private void RemoveBlock(List<byte> bytes)
    {
        var (start, length) = Block(bytes.Count);
        bytes.RemoveRange(start, length);
    }

    // A cut, as of a connection that breaks.
    private void Truncate(List<byte> bytes)
    {
        var keep = random.Next(bytes.Count);
        bytes.RemoveRange(keep, bytes.Count - keep);
    }

    private void Overwrite(List<byte> bytes, byte[] part)
    {
        var at = random.Next(bytes.Count);
        for (var index = 0; index < part.Length && at + index < bytes.Count; index++)
        {
            bytes[at + index] = part[index];
        }
    }

    private void InsertWord(List<byte> bytes)
    {
        if (words.Count > 0)
        {
            bytes.InsertRange(random.Next(bytes.Count + 1), words[random.Next(words.Count)]);
        }
    }

    private void ReplaceByWord(List<byte> bytes)
    {
        var (start, length) = Block(bytes.Count);
        if (words.Count > 0)
        {
            bytes.RemoveRange(start, length);
            bytes.InsertRange(start, words[random.Next(words.Count)]);
        }
    }

    // Copies of a block one behind the other: deep nesting, long lists, long words.
    private void RepeatBlock(List<byte> bytes)
    {
        var (start, length) = Block(bytes.Count);
        var block = bytes.GetRange(start, length);
        var most = random.Next(8) == 0 ? 300 : 6;
        for (var copies = random.Next(1, most); copies > 0 && bytes.Count + length <= longest; copies--)
        {
            bytes.InsertRange(start, block);
        }
    }

    private void EditNumber(List<byte> bytes)
    {
        var start = bytes.FindIndex(random.Next(bytes.Count), static b => b is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
        {
            return;
        }

        var end = start;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
        {
            end++;
        }

        var digits = Encoding.ASCII.GetString([.. bytes.GetRange(start, end - start)]);
        var number = random.Next(2) == 0 && long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? unchecked(value + random.Next(-2, 3))
            : s_numbers[random.Next(s_numbers.Length)];
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.ASCII.GetBytes(number.ToString(random.Next(8) == 0 ? "D22" : "D", CultureInfo.InvariantCulture)));
    }

    private void EditBinary(List<byte> bytes)
    {
        var width = 1 << random.Next(4);
        if (bytes.Count < width)
        {
            return;
        }

        var at = random.Next(bytes.Count - width + 1);
        var whole = new byte[8];
        bytes.CopyTo(at, whole, 0, width);
        var isBig = random.Next(2) == 0;
        var old = isBig ? BinaryPrimitives.ReadInt64BigEndian(whole) >> (64 - (8 * width)) : BinaryPrimitives.ReadInt64LittleEndian(whole);
        var value = random.Next(2) == 0 ? unchecked(old + random.Next(-4, 5)) : s_numbers[random.Next(s_numbers.Length)];
        for (var index = 0; index < width; index++)
        {
            bytes[at + index] = (byte)(value >> (8 * (isBig ? width - 1 - index : index)));
        }
    }

    // Takes a line out and, more often than not, puts it elsewhere or leaves it where it was as well.
    private void MoveLine(List<byte> bytes)
    {
        var from = random.Next(bytes.Count);
        var start = from == 0 ? 0 : bytes.LastIndexOf((byte)'\n', from - 1) + 1;
        var end = bytes.IndexOf((byte)'\n', from);
        var line = bytes.GetRange(start, (end < 0 ? bytes.Count : end + 1) - start);
        if (random.Next(3) > 0)
        {
            bytes.RemoveRange(start, line.Count);
        }

        if (random.Next(3) > 0)
        {
            var to = bytes.Count == 0 ? 0 : bytes.LastIndexOf((byte)'\n', random.Next(bytes.Count)) + 1;
            bytes.InsertRange(to, line);
        }
    }

    private byte[] Part(byte[] of)
    {
        if (of.Length == 0)
        {
            return [];
        }

        var (start, length) = Block(of.Length);
        return of[start..(start + length)];
    }

    // Short blocks more often than long ones.
    private (int Start, int Length) Block(int of)
    {
        var most = random.Next(4) == 0 ? of : Math.Min(of, 16);
        var length = random.Next(1, most + 1);
        return (random.Next(of - length + 1), length);
    }
}
