using System.Text;
using Policyd.Backends.LookupFiles;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>The input files of postmap.</summary>
internal sealed class TextHashTarget() : FuzzTarget(
    "texthash",
    "the pairs are those of a plain reader of postmap(1), and written out and read again they are the same",
    new AllocationBound(16 * 1024, 150))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "# a comment\nuser@example.org  OK\n.example.net\tREJECT go away\n  and stay there\n\nKey value\r\nkey second\n   # a comment "
            + "again\n continued\nalone\n",
        "a b\n#c d\n e\n\tf\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "# key a", "\n", "\n ", "\n\t", "\r\n", " ", "\t", "\0", "\u00a0", "\u000b", "\u00c4");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var pairs = meter.Run(() => TextHashFile.Read(input));
        Check.Same(Texts.Of(Plain(Encoding.Latin1.GetString(input))), Texts.Of(pairs), "the pairs");
        var written = string.Join('\n', pairs.Where(static pair => pair.Key[0] != '#').Select(static pair => $"{pair.Key} {pair.Value}"));
        if (pairs.All(static pair => pair.Key[0] != '#' && !pair.Value.Contains('\r', StringComparison.Ordinal)
            && !pair.Key.Contains('\r', StringComparison.Ordinal)))
        {
            Check.Same(Texts.Of(pairs), Texts.Of(TextHashFile.Read(Encoding.Latin1.GetBytes(written))),
                "the pairs, written and read again");
        }

        return pairs.Count > 0 ? Outcome.Accepted($"{Math.Log2(1 + pairs.Count):0}") : Outcome.Rejected("no pair");
    }

    private static Dictionary<string, string> Plain(string text)
    {
        var lines = new List<string>();
        foreach (var line in text.Split('\n').Select(static line => line.TrimEnd('\r')).Where(static line =>
            line.Trim().Length > 0 && !line.TrimStart().StartsWith('#')))
        {
            var isContinued = line[0] is ' ' or '\t';
            if (isContinued && lines.Count > 0)
            {
                lines[^1] += line;
            }
            else
            {
                lines.Add(line);
            }
        }

        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            var key = string.Concat(line.TakeWhile(static c => c is not (' ' or '\t')));
            if (key.Length is > 0 && key.Length < line.Length)
            {
                pairs.TryAdd(key.ToLowerInvariant(), line[key.Length..].Trim());
            }
        }

        return pairs;
    }
}
