using System.Collections.Frozen;
using System.Text;

namespace Policyd.Plugins.Idna;

/// <summary>
/// The properties that Perl's <c>\p{…}</c> names: categories, scripts, blocks and a few that a character has or has not. .NET knows only
/// categories and some blocks, of a Unicode version of its own.
/// </summary>
/// <remarks>
/// The tables are unicode-properties.bin, which tools/MakeUnicodeTables.cs writes: up to its end properties, each with its names (none for
/// those that a character has or has not), the number of its values, and each value's names and ranges (gap since the last range; length).
/// Numbers are 7-bit encoded.
/// </remarks>
internal sealed class UnicodeProperties
{
    private static readonly Lazy<UnicodeProperties> s_loaded = new(Load);
    private static readonly CodePointSet s_any = CodePointSet.Of([(0, 0x10FFFF)]);

    private readonly FrozenDictionary<string, FrozenDictionary<string, CodePointSet>> _properties;
    private readonly List<string> _singles;

    private UnicodeProperties(Dictionary<string, FrozenDictionary<string, CodePointSet>> properties, List<string> singles)
    {
        _properties = properties.ToFrozenDictionary(StringComparer.Ordinal);
        _singles = singles;
    }

    /// <summary>The tables, read when they are first needed.</summary>
    public static UnicodeProperties Instance => s_loaded.Value;

    /// <summary>The characters that a name stands for, as Perl reads it: without regard to case, spaces, <c>_</c> and <c>-</c>.</summary>
    /// <param name="text"><c>L</c>, <c>Cyrillic</c> (characters that are used in the script), <c>IsCyrillic</c>, <c>InCyrillic</c> (the
    /// block), <c>Script=Han</c>.</param>
    /// <param name="set">The characters.</param>
    /// <param name="error">What is not known, with what is near.</param>
    public bool TryFind(string text, out CodePointSet? set, out string? error)
    {
        var equals = text.AsSpan().IndexOfAny('=', ':');
        return equals < 0
            ? TryFindSingle(text, out set, out error)
            : TryFindValue(text[..equals].Trim(), text[(equals + 1)..].Trim(), out set, out error);
    }

    private bool TryFindSingle(string text, out CodePointSet? set, out string? error)
    {
        var name = Loose(text);
        var bare = name.StartsWith("is", StringComparison.Ordinal) ? name[2..] : name;
        set = Single(name) ?? Single(bare)
            ?? (name.StartsWith("in", StringComparison.Ordinal) ? _properties["blk"].GetValueOrDefault(name[2..]) : null)
            ?? _properties["blk"].GetValueOrDefault(bare);
        var close = set is null ? EditDistance.Closest(text, _singles) : null;
        error = set is null
            ? $"there is no Unicode category, script or block \"{text}\"{(close is null ? "" : $"; did you mean {close}?")}"
            : null;
        return set is not null;
    }

    private CodePointSet? Single(string name) => name switch
    {
        "any" or "all" or "unicode" => s_any,
        "assigned" => _properties["gc"]["cn"].Complement(),
        "l&" or "l_" => _properties["gc"]["lc"],
        _ => _properties["gc"].GetValueOrDefault(name)
            ?? _properties["scx"].GetValueOrDefault(name)
            ?? _properties[""].GetValueOrDefault(name),
    };

    private bool TryFindValue(string property, string value, out CodePointSet? set, out string? error)
    {
        set = null;
        if (property.Length == 0 || !_properties.TryGetValue(Loose(property), out var values))
        {
            error = $"\"{property}\" is not a supported property; supported are General_Category, Script, Script_Extensions and Block";
            return false;
        }

        var name = Loose(value);
        set = values.GetValueOrDefault(name)
            ?? (name.StartsWith("is", StringComparison.Ordinal) ? values.GetValueOrDefault(name[2..]) : null);
        var close = set is null ? EditDistance.Closest(value, _singles) : null;
        error = set is null ? $"the property {property} has no value \"{value}\"{(close is null ? "" : $"; did you mean {close}?")}" : null;
        return set is not null;
    }

    // UAX44-LM3. L_ is Perl's own name, whose _ means something.
    private static string Loose(string name)
    {
        var loose = new StringBuilder(name.Length);
        foreach (var letter in name)
        {
            if (letter is not ('_' or '-' or ' '))
            {
                loose.Append(char.ToLowerInvariant(letter));
            }
        }

        return name.Trim().Equals("L_", StringComparison.OrdinalIgnoreCase) ? "l_" : loose.ToString();
    }

    private static UnicodeProperties Load()
    {
        using var stream = typeof(UnicodeProperties).Assembly.GetManifestResourceStream("unicode-properties.bin")
            ?? throw new InvalidOperationException("unicode-properties.bin is not in the assembly");
        using var reader = new BinaryReader(stream);
        var properties = new Dictionary<string, FrozenDictionary<string, CodePointSet>>(StringComparer.Ordinal);
        var singles = new List<string>();
        while (stream.Position < stream.Length)
        {
            var names = ReadNames(reader);
            var values = new Dictionary<string, CodePointSet>(StringComparer.Ordinal);
            for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
            {
                var valueNames = ReadNames(reader);
                singles.Add(valueNames.MaxBy(static name => name.Length)!);
                var set = ReadSet(reader);
                Array.ForEach(valueNames, name => values.TryAdd(Loose(name), set));
            }

            var frozen = values.ToFrozenDictionary(StringComparer.Ordinal);
            Array.ForEach(names.Length == 0 ? [""] : names, name => properties.Add(Loose(name), frozen));
        }

        return new UnicodeProperties(properties, singles);
    }

    private static string[] ReadNames(BinaryReader reader)
    {
        var names = new string[reader.Read7BitEncodedInt()];
        for (var index = 0; index < names.Length; index++)
        {
            names[index] = reader.ReadString();
        }

        return names;
    }

    private static CodePointSet ReadSet(BinaryReader reader)
    {
        var ranges = new (int First, int Last)[reader.Read7BitEncodedInt()];
        var next = 0;
        for (var index = 0; index < ranges.Length; index++)
        {
            var first = next + reader.Read7BitEncodedInt();
            next = first + reader.Read7BitEncodedInt();
            ranges[index] = (first, next - 1);
        }

        return CodePointSet.Of(ranges);
    }
}
