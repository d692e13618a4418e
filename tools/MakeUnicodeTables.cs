// Writes Policyd.Plugins/Idna/unicode-tables.bin and unicode-properties.bin beside it from the files of the Unicode Consortium that
// Debian's packages unicode-data and unicode-idna have. Run it from the repository's root when Debian has a new version:
//
//     apt-get install unicode-data unicode-idna
//     dotnet run tools/MakeUnicodeTables.cs [/usr/share/unicode]
//
// UnicodeTables.cs and UnicodeProperties.cs tell the formats, and read them.
using System.Globalization;

var folder = args.Length > 0 ? args[0] : "/usr/share/unicode";
var target = Path.Combine("Policyd.Plugins", "Idna", "unicode-tables.bin");
using (var writer = new BinaryWriter(File.Create(target)))
{
    WriteMapping(writer);
    WriteClasses(writer);
    WriteDecompositions(writer);
}

Console.WriteLine($"{target}: {new FileInfo(target).Length} bytes");

target = Path.Combine("Policyd.Plugins", "Idna", "unicode-properties.bin");
using (var writer = new BinaryWriter(File.Create(target)))
{
    WriteProperty(writer, ["gc", "General_Category", "Category"], Categories(), Aliases("gc"));
    WriteProperty(writer, ["scx", "Script_Extensions"], Extensions(), Aliases("sc"));
    WriteProperty(writer, ["sc", "Script"], Scripts(), Aliases("sc"));
    WriteProperty(writer, ["blk", "Block"], Values("Blocks.txt", "No_Block", static name => name.Replace(' ', '_')), Aliases("blk"));
    WriteProperty(writer, [], Binary(), new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase)
    {
        ["Alphabetic"] = ["Alphabetic", "Alpha", "XPosixAlpha"],
        ["Uppercase"] = ["Uppercase", "Upper", "XPosixUpper"],
        ["Lowercase"] = ["Lowercase", "Lower", "XPosixLower"],
        ["White_Space"] = ["White_Space", "WSpace", "Space", "XPosixSpace"],
    });
}

Console.WriteLine($"{target}: {new FileInfo(target).Length} bytes");

// What UTS 46 makes of each code point, with the processing that Postfix asks for: non-transitional, so that deviations stay as they are,
// and without the rules of STD3.
void WriteMapping(BinaryWriter writer)
{
    const int Valid = 0, Disallowed = 1, Ignored = 2, FirstMapping = 3;
    var values = new int[0x110000];
    var mappings = new List<string>();
    var numbers = new Dictionary<string, int>();
    foreach (var (first, last, columns) in Lines("idna/IdnaMappingTable.txt"))
    {
        var value = columns[0] switch
        {
            "valid" or "deviation" or "disallowed_STD3_valid" => Valid,
            "disallowed" => Disallowed,
            "ignored" => Ignored,
            "mapped" or "disallowed_STD3_mapped" => FirstMapping + Number(columns[1]),
            var other => throw new InvalidDataException($"the status {other} is not known"),
        };
        Array.Fill(values, value, first, last - first + 1);
    }

    var ranges = new List<(int Length, int Value)>();
    foreach (var value in values)
    {
        if (ranges.Count > 0 && ranges[^1].Value == value)
        {
            ranges[^1] = (ranges[^1].Length + 1, value);
        }
        else
        {
            ranges.Add((1, value));
        }
    }

    writer.Write7BitEncodedInt(ranges.Count);
    foreach (var (length, value) in ranges)
    {
        writer.Write7BitEncodedInt(length);
        writer.Write7BitEncodedInt(value);
    }

    writer.Write7BitEncodedInt(mappings.Count);
    foreach (var mapping in mappings)
    {
        var points = CodePoints(mapping);
        writer.Write7BitEncodedInt(points.Length);
        Array.ForEach(points, writer.Write7BitEncodedInt);
    }

    int Number(string mapping)
    {
        if (!numbers.TryGetValue(mapping, out var number))
        {
            numbers.Add(mapping, number = mappings.Count);
            mappings.Add(mapping);
        }

        return number;
    }
}

// The canonical combining classes other than 0.
void WriteClasses(BinaryWriter writer)
{
    var ranges = new List<(int First, int Last, int Class)>();
    foreach (var (first, last, columns) in Lines("UnicodeData.txt"))
    {
        var its = int.Parse(columns[2], CultureInfo.InvariantCulture);
        if (its != 0 && ranges.Count > 0 && ranges[^1].Last == first - 1 && ranges[^1].Class == its)
        {
            ranges[^1] = ranges[^1] with { Last = last };
        }
        else if (its != 0)
        {
            ranges.Add((first, last, its));
        }
    }

    writer.Write7BitEncodedInt(ranges.Count);
    foreach (var (first, last, its) in ranges)
    {
        writer.Write7BitEncodedInt(first);
        writer.Write7BitEncodedInt(last - first + 1);
        writer.Write7BitEncodedInt(its);
    }
}

// The canonical decompositions, each into one code point or two, and whether the two compose again. Those of Hangul are computed.
void WriteDecompositions(BinaryWriter writer)
{
    var excluded = new HashSet<int>();
    foreach (var (first, last, columns) in Lines("DerivedNormalizationProps.txt"))
    {
        if (columns[0] == "Full_Composition_Exclusion")
        {
            excluded.UnionWith(Enumerable.Range(first, last - first + 1));
        }
    }

    var all = Lines("UnicodeData.txt").Where(line => line.Columns[4].Length > 0 && line.Columns[4][0] != '<').ToList();
    writer.Write7BitEncodedInt(all.Count);
    foreach (var (point, _, columns) in all)
    {
        var parts = CodePoints(columns[4]);
        writer.Write7BitEncodedInt(point);
        writer.Write7BitEncodedInt(parts[0]);
        writer.Write7BitEncodedInt(parts.Length > 1 ? parts[1] : 0);
        writer.Write(!excluded.Contains(point));
    }
}

// A property: its names, and its values with their names and ranges of code points.
void WriteProperty(BinaryWriter writer, string[] names, Dictionary<string, SortedSet<int>> values, Dictionary<string, string[]> aliases)
{
    WriteNames(writer, names);
    writer.Write7BitEncodedInt(values.Count);
    foreach (var (name, points) in values.OrderBy(static value => value.Key, StringComparer.Ordinal))
    {
        WriteNames(writer, aliases.GetValueOrDefault(name) ?? [name]);
        var ranges = new List<(int First, int Last)>();
        foreach (var point in points)
        {
            if (ranges.Count > 0 && ranges[^1].Last == point - 1)
            {
                ranges[^1] = (ranges[^1].First, point);
            }
            else
            {
                ranges.Add((point, point));
            }
        }

        writer.Write7BitEncodedInt(ranges.Count);
        var next = 0;
        foreach (var (first, last) in ranges)
        {
            writer.Write7BitEncodedInt(first - next);
            writer.Write7BitEncodedInt(last - first + 1);
            next = last + 1;
        }
    }
}

static void WriteNames(BinaryWriter writer, string[] names)
{
    writer.Write7BitEncodedInt(names.Length);
    Array.ForEach(names, writer.Write);
}

// The names of a property's values, by each of them.
Dictionary<string, string[]> Aliases(string property)
{
    var aliases = new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase);
    foreach (var line in File.ReadLines(Path.Combine(folder, "PropertyValueAliases.txt")))
    {
        var columns = line.Split('#')[0].Split(';', StringSplitOptions.TrimEntries);
        if (columns[0] == property)
        {
            string[] names = [.. columns[1..].Distinct(StringComparer.OrdinalIgnoreCase)];
            Array.ForEach(names, name => aliases[name] = names);
        }
    }

    return aliases;
}

// The values of a property of which each code point has one; those that the file does not have share the last.
Dictionary<string, SortedSet<int>> Values(string file, string other, Func<string, string> name)
{
    var values = new Dictionary<string, SortedSet<int>> { [other] = [.. Enumerable.Range(0, 0x110000)] };
    foreach (var (first, last, columns) in Lines(file))
    {
        Add(values, name(columns[0]), first, last);
        values[other].ExceptWith(Enumerable.Range(first, last - first + 1));
    }

    return values;
}

Dictionary<string, SortedSet<int>> Scripts() => Values("Scripts.txt", "Unknown", static name => name);

// A code point that is used in several scripts has them all; the others have their script alone.
Dictionary<string, SortedSet<int>> Extensions()
{
    var names = Aliases("sc");
    var values = Scripts();
    var lines = Lines("ScriptExtensions.txt").ToList();
    var several = lines.SelectMany(static line => Enumerable.Range(line.First, line.Last - line.First + 1)).ToHashSet();
    foreach (var points in values.Values)
    {
        points.ExceptWith(several);
    }

    foreach (var (first, last, columns) in lines)
    {
        Array.ForEach(columns[0].Split(' '), script => Add(values, names[script] is { Length: > 1 } both ? both[1] : script, first, last));
    }

    return values;
}

// The categories and the groups of them.
Dictionary<string, SortedSet<int>> Categories()
{
    var values = new Dictionary<string, SortedSet<int>> { ["Cn"] = [.. Enumerable.Range(0, 0x110000)] };
    foreach (var (first, last, columns) in Lines("UnicodeData.txt"))
    {
        Add(values, columns[1], first, last);
        values["Cn"].ExceptWith(Enumerable.Range(first, last - first + 1));
    }

    foreach (var group in values.GroupBy(static value => value.Key[..1]).ToList())
    {
        values.Add(group.Key, [.. group.SelectMany(static value => value.Value)]);
    }

    values.Add("LC", [.. values["Lu"], .. values["Ll"], .. values["Lt"]]);
    return values;
}

Dictionary<string, SortedSet<int>> Binary()
{
    string[] kept = ["Alphabetic", "Uppercase", "Lowercase", "White_Space", "Emoji", "Emoji_Presentation", "Extended_Pictographic"];
    var values = new Dictionary<string, SortedSet<int>>();
    foreach (var (first, last, columns) in Lines("DerivedCoreProperties.txt").Concat(Lines("PropList.txt"))
        .Concat(Lines("emoji/emoji-data.txt")))
    {
        if (kept.Contains(columns[0]))
        {
            Add(values, columns[0], first, last);
        }
    }

    return values;
}

static void Add(Dictionary<string, SortedSet<int>> values, string name, int first, int last)
{
    if (!values.TryGetValue(name, out var points))
    {
        values.Add(name, points = []);
    }

    points.UnionWith(Enumerable.Range(first, last - first + 1));
}

// "0041..005A ; mapped ; 0061 # comment". UnicodeData.txt writes a range as two lines, "<CJK Ideograph, First>" and "Last".
IEnumerable<(int First, int Last, string[] Columns)> Lines(string file)
{
    var begin = -1;
    foreach (var line in File.ReadLines(Path.Combine(folder, file)))
    {
        var columns = line.Split('#')[0].Split(';', StringSplitOptions.TrimEntries);
        if (columns.Length < 2)
        {
            continue;
        }

        var ends = columns[0].Split("..");
        var first = Convert.ToInt32(ends[0], 16);
        if (columns[1].EndsWith(", First>", StringComparison.Ordinal))
        {
            begin = first;
            continue;
        }

        yield return (begin >= 0 ? begin : first, Convert.ToInt32(ends[^1], 16), columns[1..]);
        begin = -1;
    }
}

static int[] CodePoints(string text) => [.. text.Split(' ').Select(point => Convert.ToInt32(point, 16))];
