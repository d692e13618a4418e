using System.Text;

namespace Policyd.Backends.LookupFiles;

/// <summary>
/// Reads what postmap reads (postmap(1), "INPUT FILE FORMAT"): a key, blanks, a value; comments; a line that begins with a blank goes on
/// with the one before it. Keys are folded to lower case, as postmap folds them; of a key that stands twice the first counts.
/// </summary>
internal static class TextHashFile
{
    public static Dictionary<string, string> Read(byte[] file)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var line = new StringBuilder();
        foreach (var text in Encoding.Latin1.GetString(file).Split('\n'))
        {
            var part = text.TrimEnd('\r');
            if (part.AsSpan().TrimStart() is [] or ['#', ..])
            {
                continue;
            }

            if (part[0] is not (' ' or '\t'))
            {
                Add(pairs, line.ToString());
                line.Clear();
            }

            line.Append(part);
        }

        Add(pairs, line.ToString());
        return pairs;
    }

    private static void Add(Dictionary<string, string> pairs, string line)
    {
        var end = line.AsSpan().IndexOfAny(' ', '\t');
        if (end > 0)
        {
            pairs.TryAdd(line[..end].ToLowerInvariant(), line[end..].Trim());
        }
    }
}
