using System.Buffers.Binary;
using System.Text;
using Policyd.Plugins.Fail2Ban;

namespace Policyd.Backends.Fail2Ban;

/// <summary>
/// What fail2ban's socket speaks: a command is the pickle of a list of texts, the reply the pickle of a pair, a number that is 0 when it
/// was done and a value; each is followed by <see cref="End"/>. Unpickling as Python does builds any object that the bytes name: here only
/// numbers and texts are read, nothing is ever made of them.
/// </summary>
internal static class Fail2BanProtocol
{
    /// <summary>Follows each message.</summary>
    public static ReadOnlySpan<byte> End => "<F2B_END_COMMAND>"u8;

    /// <summary>A command, its end included: a pickle of protocol 2, which every fail2ban reads.</summary>
    public static byte[] Command(params ReadOnlySpan<string> words)
    {
        var bytes = new List<byte> { 0x80, 2, (byte)']', (byte)'(' };
        Span<byte> length = stackalloc byte[4];
        foreach (var word in words)
        {
            var text = Encoding.UTF8.GetBytes(word);
            BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
            bytes.Add((byte)'X');
            bytes.AddRange(length);
            bytes.AddRange(text);
        }

        bytes.Add((byte)'e');
        bytes.Add((byte)'.');
        bytes.AddRange(End);
        return [.. bytes];
    }

    /// <summary>Reads a reply.</summary>
    /// <param name="pickle">The reply without its end.</param>
    /// <returns>Its number, and the texts in it, which are what an error is told by; null when it is no reply of fail2ban's.</returns>
    public static Fail2BanReply? Read(ReadOnlySpan<byte> pickle)
    {
        int? status = null;
        var texts = new List<string>();
        var rest = pickle;
        while (rest.Length > 0)
        {
            var operation = rest[0];
            rest = rest[1..];
            if (operation == (byte)'.')
            {
                return status is { } number ? new Fail2BanReply(number, string.Join(' ', texts)) : null;
            }

            if (ArgumentOf(operation, rest) is not { } argument || argument.Start > rest.Length - argument.Length)
            {
                return null;
            }

            var value = rest.Slice(argument.Start, argument.Length);
            if (operation is (byte)'K' or (byte)'M' or (byte)'J')
            {
                status ??= NumberOf(value);
            }
            else if (operation is 0x8c or (byte)'X')
            {
                texts.Add(Encoding.UTF8.GetString(value));
            }

            rest = rest[(argument.Start + argument.Length)..];
        }

        return null;
    }

    // Where an operation's argument is in what follows it. Only what a pair of a number and a plain value or an exception is made of.
    private static (int Start, int Length)? ArgumentOf(byte operation, ReadOnlySpan<byte> rest) => operation switch
    {
        0x80 or (byte)'K' or (byte)'q' or (byte)'h' => (0, 1),
        (byte)'M' => (0, 2),
        (byte)'J' or (byte)'r' or (byte)'j' => (0, 4),
        0x95 or (byte)'G' => (0, 8),
        0x8c or (byte)'U' => rest.Length > 0 ? (1, rest[0]) : null,
        (byte)'X' => rest.Length >= 4 && BinaryPrimitives.ReadInt32LittleEndian(rest) is >= 0 and var length ? (4, length) : null,
        (byte)'c' => EndOfLines(rest, 2) is { } end ? (0, end) : null,
        (byte)'(' or (byte)')' or (byte)'t' or 0x85 or 0x86 or 0x87 or (byte)']' or (byte)'}' or (byte)'a' or (byte)'e' or (byte)'s'
            or (byte)'u'
            or (byte)'R' or (byte)'b' or 0x81 or 0x93 or 0x94 or (byte)'N' or 0x88 or 0x89 => (0, 0),
        _ => null,
    };

    private static int? EndOfLines(ReadOnlySpan<byte> rest, int lines)
    {
        var end = 0;
        for (var line = 0; line < lines; line++)
        {
            var length = rest[end..].IndexOf((byte)'\n');
            if (length < 0)
            {
                return null;
            }

            end += length + 1;
        }

        return end;
    }

    private static int NumberOf(ReadOnlySpan<byte> littleEndian) => littleEndian.Length switch
    {
        1 => littleEndian[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(littleEndian),
        _ => BinaryPrimitives.ReadInt32LittleEndian(littleEndian),
    };
}
