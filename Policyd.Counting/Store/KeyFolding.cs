using System.Buffers;
using System.Text;
using Policyd.Plugins.Idna;

namespace Policyd.Counting.Store;

/// <summary>
/// Which keys a table's unique key takes for one: those that fold to the same text. That text is equal to each of them in the table, so
/// that a key has one owner and one row whatever its spelling (case, accents, trailing spaces), and rows that are there already are found.
/// Folding a text twice changes nothing. Safe for any thread.
/// </summary>
public sealed class KeyFolding
{
    private const int Replacement = 0xFFFD;
    private const int FirstBeyondTables = 0x20000;
    private static readonly SearchValues<char> s_anything = SearchValues.Create(
        [.. Enumerable.Range(0, char.MaxValue + 1).Select(static code => (char)code)]);

    private readonly Dictionary<int, string> _spellings;
    private readonly SearchValues<char> _unchanged;
    private readonly string? _beyond;
    private readonly bool _ignoresTrailingSpaces;
    private readonly bool _composes;

    private KeyFolding(Dictionary<int, string> spellings, string? beyond, bool ignoresTrailingSpaces, bool composes)
    {
        _spellings = spellings;
        _beyond = beyond;
        _ignoresTrailingSpaces = ignoresTrailingSpaces;
        _composes = composes;
        _unchanged = spellings.Count == 0 && !composes
            ? s_anything
            : SearchValues.Create(
                [.. Enumerable.Range(0x20, 0x5f).Where(code => !spellings.ContainsKey(code)).Select(static code => (char)code)]);
    }

    /// <summary>Keys are equal when their characters are.</summary>
    public static KeyFolding Exact { get; } = new([], null, ignoresTrailingSpaces: false, composes: false);

    /// <summary>Only spaces at the end do not count: SQL's PAD SPACE, SQLite's RTRIM.</summary>
    public static KeyFolding TrailingSpaces { get; } = new([], null, ignoresTrailingSpaces: true, composes: false);

    /// <summary>The case of A to Z does not count: SQLite's NOCASE.</summary>
    public static KeyFolding AsciiCase { get; } = Of(
        Enumerable.Range('A', 26).Select(static code => ((int, string))(code, ((char)(code + 32)).ToString())),
        ignoresTrailingSpaces: false);

    /// <summary>Whether some keys of different text are one.</summary>
    public bool JoinsSpellings => _spellings.Count > 0 || _composes;

    /// <summary>By the spelling of each character that has another than itself.</summary>
    /// <param name="spellings">Code points and the text that stands for each.</param>
    /// <param name="ignoresTrailingSpaces">Whether spaces at the end count for nothing.</param>
    public static KeyFolding Of(IEnumerable<(int CodePoint, string Spelling)> spellings, bool ignoresTrailingSpaces) =>
        new(spellings.ToDictionary(static one => one.CodePoint, static one => one.Spelling), null, ignoresTrailingSpaces, composes: false);

    /// <summary>
    /// By a collation's weights. Characters of one weight are one, of which the plainest is the spelling; one whose weight is that of
    /// several others is spelled by them (<c>ß</c> by <c>ss</c>); one without any is left out.
    /// </summary>
    /// <param name="weights">The characters that a column can hold, each with its weight in hexadecimal.</param>
    /// <param name="ignoresTrailingSpaces">Whether spaces at the end count for nothing.</param>
    /// <param name="hasLevels">
    /// Whether weights have levels for accents or case, all primary weights of a text before all secondary ones. Then a letter and its mark
    /// are joined by Unicode's rules.
    /// </param>
    public static KeyFolding OfWeights(IReadOnlyList<(int CodePoint, string Weight)> weights, bool ignoresTrailingSpaces, bool hasLevels)
    {
        ArgumentNullException.ThrowIfNull(weights);
        var plainest = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (codePoint, weight) in weights.OrderBy(static one => Strangeness(one.CodePoint)).ThenBy(static one => one.CodePoint))
        {
            plainest.TryAdd(weight, weight.Length == 0 ? string.Empty : new Rune(codePoint).ToString());
        }

        var last = weights.LastOrDefault(static one => one.CodePoint < FirstBeyondTables);
        var beyond = weights.Any(one => one.CodePoint >= FirstBeyondTables && one.Weight != last.Weight)
            || last.Weight is null
            || last.CodePoint <= char.MaxValue
            ? null
            : plainest[last.Weight];
        var step = hasLevels ? 4 : plainest.Keys.Where(static weight => weight.Length > 0)
            .Select(static weight => weight.Length)
            .DefaultIfEmpty(2)
            .Min();
        var levels = hasLevels ? Math.Max(1, weights.FirstOrDefault(static one => one.CodePoint == 'a').Weight?.Length / step ?? 1) : 1;
        var spellings = new Dictionary<int, string>();
        foreach (var (codePoint, weight) in weights)
        {
            var spelling = (levels > 1 ? PartsOfLevels(weight, step, levels, plainest) : Parts(weight, step, plainest)) ?? plainest[weight];
            if (spelling != new Rune(codePoint).ToString() && !(codePoint > char.MaxValue && spelling == beyond))
            {
                spellings.Add(codePoint, spelling);
            }
        }

        return new KeyFolding(spellings, beyond, ignoresTrailingSpaces, hasLevels);
    }

    /// <summary>The one text of all keys that the table takes for this one. The same object when it is that already.</summary>
    /// <param name="key">The key.</param>
    public string Fold(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.AsSpan().ContainsAnyExcept(_unchanged))
        {
            key = Spell(key);
        }

        return _ignoresTrailingSpaces ? key.TrimEnd(' ') : key;
    }

    private string Spell(string key)
    {
        var spelled = Replaced(key);
        return _composes && Composed(spelled) is { } composed ? Replaced(composed) : spelled;
    }

    private string Replaced(string key)
    {
        var result = new StringBuilder(key.Length);
        var rest = key.AsSpan();
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var length) != OperationStatus.Done)
            {
                result.Append(rest[0]);   // half a pair, which no table holds
            }
            else if (_spellings.TryGetValue(rune.Value, out var spelling) || (!rune.IsBmp && (spelling = _beyond) is not null))
            {
                result.Append(spelling);
            }
            else
            {
                result.Append(rest[..length]);
            }

            rest = rest[length..];
        }

        return result.ToString();
    }

    /// <summary>
    /// Letters and their marks as one character each, where there is one; null for a text with half a pair, which no table holds.
    /// </summary>
    private static string? Composed(string key)
    {
        var points = new List<int>(key.Length);
        for (var at = 0; at < key.Length; at += char.IsHighSurrogate(key[at]) ? 2 : 1)
        {
            if (!Rune.TryGetRuneAt(key, at, out var rune))
            {
                return null;
            }

            points.Add(rune.Value);
        }

        return string.Concat(CanonicalComposition.Compose(points).Select(static point => new Rune(point).ToString()));
    }

    // a before A, both before what only looks like them; what columns and logs bear badly last.
    private static int Strangeness(int codePoint) => codePoint switch
    {
        >= 'a' and <= 'z' => 0,
        >= 0x20 and <= 0x7e => 1,
        0 or Replacement => 3,
        _ => 2,
    };

    /// <summary>The text whose characters have this weight together; null when it is not several.</summary>
    private static string? Parts(string weight, int step, Dictionary<string, string> plainest)
    {
        var text = new StringBuilder();
        for (int from = 0, to = step; from < weight.Length; to += step)
        {
            if (to > weight.Length || (from == 0 && to == weight.Length))
            {
                return null;
            }

            if (plainest.TryGetValue(weight[from..to], out var part))
            {
                text.Append(part);
                from = to;
            }
        }

        return weight.Length == 0 ? null : text.ToString();
    }

    /// <summary>The same where a weight has levels: of its units, the first of each level make the first character, and so on.</summary>
    private static string? PartsOfLevels(string weight, int step, int levels, Dictionary<string, string> plainest)
    {
        var characters = weight.Length / step / levels;
        if (characters < 2 || weight.Length != characters * levels * step)
        {
            return null;
        }

        var text = new StringBuilder();
        for (var at = 0; at < characters; at++)
        {
            var one = string.Concat(
                Enumerable.Range(0, levels).Select(level => weight.Substring(((level * characters) + at) * step, step)));
            if (!plainest.TryGetValue(one, out var part))
            {
                return null;
            }

            text.Append(part);
        }

        return text.ToString();
    }
}
