using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Idna;

/// <summary>
/// A set of code points, and how a regular expression of .NET writes it. .NET reads UTF-16 units: what lies beyond U+FFFF is two of them,
/// which no class in brackets can have as one member.
/// </summary>
internal sealed class CodePointSet
{
    private const int Last = 0x10FFFF;
    private const int FirstHalf = 0xD800;
    private const int LastHalf = 0xDFFF;
    private const int FirstPair = 0x10000;
    private readonly List<(int First, int Last)> _ranges;

    private CodePointSet(List<(int First, int Last)> ranges) => _ranges = ranges;

    /// <summary>The ranges in their order; none touches another.</summary>
    public IReadOnlyList<(int First, int Last)> Ranges => _ranges;

    /// <summary>A set of ranges in any order, which may overlap.</summary>
    public static CodePointSet Of(IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges.OrderBy(static range => range.First))
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            }
            else
            {
                merged.Add((first, last));
            }
        }

        return new CodePointSet(merged);
    }

    /// <summary>All other code points.</summary>
    public CodePointSet Complement()
    {
        var others = new List<(int First, int Last)>();
        var next = 0;
        foreach (var (first, last) in _ranges)
        {
            if (first > next)
            {
                others.Add((next, first - 1));
            }

            next = last + 1;
        }

        if (next <= Last)
        {
            others.Add((next, Last));
        }

        return new CodePointSet(others);
    }

    /// <summary>Whether a code point is in the set.</summary>
    public bool Contains(int point) => _ranges.Exists(range => range.First <= point && point <= range.Last);

    /// <summary>
    /// The pattern of one character of the set, or of one that is not in it. Half of a pair is no character: it matches neither.
    /// </summary>
    public string ToPattern(bool isNegated)
    {
        var choices = new List<string>();
        var units = new StringBuilder();
        foreach (var (first, last) in _ranges)
        {
            AppendRange(units, first, Math.Min(last, FirstHalf - 1));
            AppendRange(units, Math.Max(first, LastHalf + 1), Math.Min(last, FirstPair - 1));
        }

        // Negated by .NET itself, which with (?i) puts both cases of a letter into the class first.
        if (isNegated)
        {
            choices.Add($@"[^{units}\ud800-\udfff]");
        }
        else if (units.Length > 0)
        {
            choices.Add($"[{units}]");
        }

        choices.AddRange(Pairs(isNegated ? Complement() : this));
        return choices.Count switch
        {
            0 => "[^\\x00-\\uffff]",
            1 when choices[0][0] == '[' && choices[0].IndexOf(']', StringComparison.Ordinal) == choices[0].Length - 1 => choices[0],
            _ => $"(?:{string.Join('|', choices)})",
        };
    }

    // The second halves of each first half, with those together that have the same.
    private static IEnumerable<string> Pairs(CodePointSet set)
    {
        var seconds = new SortedDictionary<int, StringBuilder>();
        foreach (var (first, last) in set._ranges.Where(static range => range.Last >= FirstPair))
        {
            for (var point = Math.Max(first, FirstPair); point <= last;)
            {
                var offset = point - FirstPair;
                var end = Math.Min(last, point | 0x3FF);
                var high = 0xD800 + (offset >> 10);
                if (!seconds.TryGetValue(high, out var text))
                {
                    seconds.Add(high, text = new StringBuilder());
                }

                AppendRange(text, 0xDC00 + (offset & 0x3FF), 0xDC00 + ((end - FirstPair) & 0x3FF));
                point = end + 1;
            }
        }

        return seconds.GroupBy(static pair => pair.Value.ToString(), static pair => pair.Key).Select(static group =>
        {
            var firsts = new StringBuilder();
            foreach (var (first, last) in Of(group.Select(static high => (high, high))).Ranges)
            {
                AppendRange(firsts, first, last);
            }

            return $"[{firsts}][{group.Key}]";
        });
    }

    private static void AppendRange(StringBuilder text, int first, int last)
    {
        if (first > last)
        {
            return;
        }

        text.Append(CultureInfo.InvariantCulture, $@"\u{first:x4}");
        if (last > first)
        {
            text.Append(CultureInfo.InvariantCulture, $@"-\u{last:x4}");
        }
    }
}
