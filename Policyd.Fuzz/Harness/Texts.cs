using System.Text;

namespace Policyd.Fuzz.Harness;

/// <summary>Samples and words from text.</summary>
internal static class Texts
{
    /// <summary>Each text as bytes of UTF-8.</summary>
    public static IReadOnlyList<byte[]> Utf8(params ReadOnlySpan<string> texts)
    {
        var all = new List<byte[]>();
        foreach (var text in texts)
        {
            all.Add(Encoding.UTF8.GetBytes(text));
        }

        return all;
    }

    /// <summary>Words that blanks separate in the text.</summary>
    public static IReadOnlyList<byte[]> Words(string words, params ReadOnlySpan<string> more) =>
        Utf8([.. words.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries), .. more]);

    /// <summary>The pairs of a map, one a line, in the order of their keys: two maps with the same text are the same.</summary>
    public static string Of(IEnumerable<KeyValuePair<string, string>> pairs) =>
        string.Join('\n', pairs.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair =>
            $"{pair.Key.Length}:{pair.Key}={pair.Value}"));

    /// <summary>Cuts bytes into pieces. The places follow from the bytes, so that a replay has the same.</summary>
    public static IEnumerable<byte[]> Pieces(byte[] bytes)
    {
        var random = new Random(bytes.Length + (bytes.Length > 0 ? bytes[^1] << 16 : 0));
        var most = random.Next(3) == 0 ? 1 : random.Next(1, 40);
        for (var at = 0; at < bytes.Length;)
        {
            var length = Math.Min(random.Next(1, most + 1), bytes.Length - at);
            yield return bytes[at..(at + length)];
            at += length;
        }
    }
}
