using System.Globalization;
using System.Text;
using Policyd.Backends.Fail2Ban;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Pickles of Python, as fail2ban's socket sends them.</summary>
internal sealed class PickleTarget() : FuzzTarget(
    "pickle",
    "a reply's number and texts are those of a plain reader of the operations; a command comes back from its bytes",
    new AllocationBound(8 * 1024, 64))
{
    public override IReadOnlyList<byte[]> Samples { get; } =
    [
        [0x80, 4, (byte)'K', 0, (byte)'K', 1, 0x86, 0x94, (byte)'.'],
        [0x80, 4, (byte)'K', 0, 0x8c, 9, .. "192.0.2.1"u8, 0x94, 0x86, 0x94, (byte)'.'],
        [0x80, 4, (byte)'K', 1, 0x8c, 8, .. "builtins"u8, 0x94, 0x8c, 9, .. "Exception"u8, 0x94, 0x93, 0x94, (byte)'X', 2, 0, 0, 0,
            .. "no"u8, 0x85, (byte)'R', 0x86, (byte)'.'],
        [0x80, 2, (byte)'J', 0xff, 0xff, 0xff, 0xff, (byte)'c', .. "m\nn\n"u8, (byte)'q', 1, (byte)'M', 1, 2, (byte)'G', .. new byte[8],
            (byte)'U', 1, (byte)'x', (byte)'.'],
        Fail2BanProtocol.Command("set", "jail", "banip", "192.0.2.1")[..^Fail2BanProtocol.End.Length],
    ];

    public override IReadOnlyList<byte[]> Words { get; } =
        [[(byte)'.'], [(byte)'K', 0], [(byte)'X', 1, 0, 0, 0, (byte)'a'], [(byte)'X', 0xff, 0xff, 0xff, 0x7f], [(byte)'X', 0, 0, 0, 0x80],
            [0x8c, 255], [(byte)'J', 0, 0, 0, 0x80], [(byte)'c', (byte)'a', 10], [0x94], [(byte)'N']];

    public override Outcome Execute(byte[] input, Meter meter)
    {
        CheckCommand(input, meter);
        var reply = meter.Run(() => Fail2BanProtocol.Read(input));
        string? expected;
        try
        {
            expected = Plain(new Cursor(input));
        }
        catch (MalformedException)
        {
            expected = null;
        }

        var read = reply is null ? null : string.Create(CultureInfo.InvariantCulture, $"{reply.Status} {reply.Text}");
        Check.Same(expected ?? "(no reply)", read ?? "(no reply)", "the reply");
        return read is null ? Outcome.Rejected(expected ?? "")
            : Outcome.Accepted($"{(reply!.Status == 0 ? "done" : "failed")}, {Math.Min(3, reply.Text.Count(static c => c == ' '))} texts");
    }

    // A word of a command comes from a request: whatever it is, it stays one word.
    private static void CheckCommand(byte[] input, Meter meter)
    {
        var word = Encoding.UTF8.GetString(input);
        var command = meter.Run(() => Fail2BanProtocol.Command("set", word));
        var cursor = new Cursor(command);
        Check.Same([0x80, 2, (byte)']', (byte)'('], cursor.Take(4), "the head of a command");
        foreach (var expected in new[] { "set", word })
        {
            Check.That(cursor.Byte() == 'X', "a word of a command is no text");
            Check.Same(expected, cursor.Utf8(cursor.Little32()), "a word of a command");
        }

        Check.Same("e.<F2B_END_COMMAND>", cursor.Latin1(command.Length - cursor.At), "the end of a command");
    }

    // Python's pickletools.dis names the operations so.
    private static string? Plain(Cursor cursor)
    {
        int? status = null;
        var texts = new List<string>();
        while (true)
        {
            var operation = (char)cursor.Byte();
            switch (operation)
            {
                case '.':
                    return status is null ? null : string.Create(CultureInfo.InvariantCulture, $"{status} {string.Join(' ', texts)}");
                case 'K': status = cursor.Byte() is var small && status is null ? small : status; break;
                case 'M': status = cursor.Little16() is var middle && status is null ? middle : status; break;
                case 'J': status = (int)cursor.Little32() is var large && status is null ? large : status; break;
                case '\u008c': texts.Add(cursor.Utf8(cursor.Byte())); break;
                case 'X': texts.Add(cursor.Utf8((int)cursor.Little32())); break;
                case 'U': cursor.Take(cursor.Byte()); break;
                case '\u0080' or 'q' or 'h': cursor.Take(1); break;
                case 'r' or 'j': cursor.Take(4); break;
                case '\u0095' or 'G': cursor.Take(8); break;
                case 'c':
                    SkipLine(cursor);
                    SkipLine(cursor);
                    break;
                default:
                    if (!"()t\u0085\u0086\u0087]}aesuRb\u0081\u0093\u0094N\u0088\u0089".Contains(operation, StringComparison.Ordinal))
                    {
                        return null;
                    }

                    break;
            }
        }
    }

    private static void SkipLine(Cursor cursor)
    {
        while (cursor.Byte() != '\n')
        {
        }
    }
}
