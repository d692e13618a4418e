using System.Globalization;
using System.Text;

namespace Policyd.Fuzz.Targets;

/// <summary>The text of names as zone files have it (RFC 1035, section 5.1), read plainly.</summary>
internal static class PlainDnsName
{
    /// <summary>A byte of a label.</summary>
    public static string Shown(byte b) => b switch
    {
        (byte)'.' or (byte)'\\' => $"\\{(char)b}",
        > 32 and < 127 => ((char)b).ToString(),
        _ => string.Create(CultureInfo.InvariantCulture, $"\\{b:D3}"),
    };

    /// <summary>The labels of a name in lower case; null when it is none.</summary>
    public static List<byte[]>? Labels(string name)
    {
        var labels = new List<List<byte>> { new() };
        for (var at = 0; at < name.Length; at++)
        {
            if (name[at] == '.')
            {
                labels.Add([]);
            }
            else if (name[at] != '\\')
            {
                if (name[at] is <= ' ' or > '~')
                {
                    return null;
                }

                labels[^1].Add((byte)char.ToLowerInvariant(name[at]));
            }
            else if (Escaped(name, ref at) is { } value)
            {
                labels[^1].Add((byte)char.ToLowerInvariant((char)value) is var lower && value < 128 ? lower : (byte)value);
            }
            else
            {
                return null;
            }
        }

        // A dot at the end is the root's.
        if (labels.Count > 1 && labels[^1].Count == 0)
        {
            labels.RemoveAt(labels.Count - 1);
        }

        var isName = labels.TrueForAll(static label => label.Count is > 0 and <= 63) && labels.Sum(static label =>
            label.Count + 1) - 1 <= 253;
        return isName ? labels.ConvertAll(static label => label.ToArray()) : null;
    }

    public static string Text(IEnumerable<byte[]> labels) =>
        string.Join('.', labels.Select(static label => string.Concat(label.Select(Shown))));

    // Leaves the place at the last character of the escape.
    private static int? Escaped(string name, ref int at)
    {
        var rest = name[(at + 1)..];
        if (rest.Length > 0 && !char.IsAsciiDigit(rest[0]))
        {
            at++;
            return rest[0] is >= ' ' and <= '~' ? rest[0] : null;
        }

        if (rest.Length < 3 || !rest[..3].All(char.IsAsciiDigit))
        {
            return null;
        }

        at += 3;
        return int.Parse(rest[..3], CultureInfo.InvariantCulture) is var value and < 256 ? value : null;
    }
}
