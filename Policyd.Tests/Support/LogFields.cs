using System.Globalization;
using System.Text;

namespace Policyd.Tests.Support;

/// <summary>A reader of a text line's <c>name=value</c> fields, written from docs/log.md alone.</summary>
internal static class LogFields
{
    public static IReadOnlyList<(string Name, byte[] Value)> Of(string line)
    {
        var fields = new List<(string, byte[])>();
        for (var at = 0; at < line.Length; at++)
        {
            var equal = line.IndexOf('=', at);
            var name = line[at..equal];
            at = equal + 1;
            if (at < line.Length && line[at] == '"')
            {
                at++;
                fields.Add((name, Quoted(line, ref at)));
            }
            else
            {
                var end = line.IndexOf(' ', at) is >= 0 and var space ? space : line.Length;
                fields.Add((name, Encoding.UTF8.GetBytes(line[at..end])));
                at = end;
            }

            Assert.True(at == line.Length || line[at] == ' ', $"no space at {at} of {line}");
        }

        return fields;
    }

    private static byte[] Quoted(string line, ref int at)
    {
        var value = new List<byte>();
        while (line[at] != '"')
        {
            if (line[at] != '\\')
            {
                var length = char.IsHighSurrogate(line[at]) ? 2 : 1;
                value.AddRange(Encoding.UTF8.GetBytes(line.Substring(at, length)));
                at += length;
                continue;
            }

            var kind = line[at + 1];
            var digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            var code = digits == 0 ? 0 : int.Parse(line.AsSpan(at + 2, digits), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            value.AddRange(kind switch
            {
                'n' => "\n"u8.ToArray(),
                'r' => "\r"u8.ToArray(),
                't' => "\t"u8.ToArray(),
                'x' => [(byte)code],
                'u' or 'U' => Encoding.UTF8.GetBytes(new Rune(code).ToString()),
                _ => [(byte)kind],
            });
            at += 2 + digits;
        }

        at++;
        return [.. value];
    }
}
