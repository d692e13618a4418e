using System.Globalization;

namespace Policyd.Plugins.Idna;

/// <summary>
/// What UTS 46 makes of each code point, and what the canonical composition of Unicode (UAX 15, form C) needs. The system's ICU is not
/// needed, and every host gives the same names.
/// </summary>
/// <remarks>
/// The tables are unicode-tables.bin, which tools/MakeUnicodeTables.cs writes. Its numbers are 7-bit encoded: the ranges of code points
/// from 0 on (length; 0 valid, 1 disallowed, 2 ignored, else 3 + the number of a mapping), the mappings (length; code points), the ranges
/// of combining classes (first; length; class), the decompositions (code point; one or two code points, the second 0 when there is none;
/// whether they compose).
/// </remarks>
internal sealed class UnicodeTables
{
    private const int Disallowed = 1;
    private const int Ignored = 2;
    private const int FirstMapping = 3;
    private static readonly Lazy<UnicodeTables> s_loaded = new(Load);

    private readonly int[] _starts;
    private readonly int[] _values;
    private readonly int[][] _mappings;
    private readonly Dictionary<int, int> _classes = [];
    private readonly Dictionary<int, (int First, int Second)> _decompositions = [];
    private readonly Dictionary<(int First, int Second), int> _compositions = [];

    private UnicodeTables(BinaryReader reader)
    {
        _starts = new int[reader.Read7BitEncodedInt()];
        _values = new int[_starts.Length];
        var next = 0;
        for (var range = 0; range < _starts.Length; range++)
        {
            _starts[range] = next;
            next += reader.Read7BitEncodedInt();
            _values[range] = reader.Read7BitEncodedInt();
        }

        _mappings = new int[reader.Read7BitEncodedInt()][];
        for (var number = 0; number < _mappings.Length; number++)
        {
            _mappings[number] = new int[reader.Read7BitEncodedInt()];
            for (var index = 0; index < _mappings[number].Length; index++)
            {
                _mappings[number][index] = reader.Read7BitEncodedInt();
            }
        }

        for (var ranges = reader.Read7BitEncodedInt(); ranges > 0; ranges--)
        {
            var first = reader.Read7BitEncodedInt();
            var length = reader.Read7BitEncodedInt();
            var its = reader.Read7BitEncodedInt();
            for (var point = first; point < first + length; point++)
            {
                _classes.Add(point, its);
            }
        }

        for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
        {
            var point = reader.Read7BitEncodedInt();
            var parts = (reader.Read7BitEncodedInt(), reader.Read7BitEncodedInt());
            _decompositions.Add(point, parts);
            if (reader.ReadBoolean())
            {
                _compositions.Add(parts, point);
            }
        }
    }

    /// <summary>The tables, read when they are first needed: most mail has no domain beyond ASCII.</summary>
    public static UnicodeTables Instance => s_loaded.Value;

    /// <summary>What a code point becomes: itself, others, or nothing.</summary>
    /// <returns>False when it may not stand in a domain.</returns>
    public bool TryMap(int point, List<int> to)
    {
        var value = ValueOf(point);
        if (value >= FirstMapping)
        {
            to.AddRange(_mappings[value - FirstMapping]);
        }
        else if (value != Ignored)
        {
            to.Add(point);
        }

        return value != Disallowed;
    }

    /// <summary>Whether a code point may stand in a domain as it is.</summary>
    public bool IsValid(int point) => ValueOf(point) == 0;

    /// <summary>The canonical combining class.</summary>
    public int ClassOf(int point) => _classes.GetValueOrDefault(point);

    /// <summary>The canonical decomposition by one step; the second is 0 when there is one only.</summary>
    public bool TryDecompose(int point, out (int First, int Second) parts) => _decompositions.TryGetValue(point, out parts);

    /// <summary>The one code point that two are composed to.</summary>
    public bool TryCompose(int first, int second, out int composed) => _compositions.TryGetValue((first, second), out composed);

    /// <summary>Whether it is a combining mark (general category M), with which no label begins.</summary>
    public static bool IsMark(int point) =>
        CharUnicodeInfo.GetUnicodeCategory(point) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.EnclosingMark;

    private int ValueOf(int point)
    {
        var at = Array.BinarySearch(_starts, point);
        return _values[at >= 0 ? at : ~at - 1];
    }

    private static UnicodeTables Load()
    {
        using var stream = typeof(UnicodeTables).Assembly.GetManifestResourceStream("unicode-tables.bin")
            ?? throw new InvalidOperationException("unicode-tables.bin is not in the assembly");
        using var reader = new BinaryReader(stream);
        return new UnicodeTables(reader);
    }
}
