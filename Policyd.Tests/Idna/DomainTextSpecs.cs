using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Policyd.Plugins.Idna;
using Policyd.Tests.Support;

namespace Policyd.Tests.Idna;

/// <summary>
/// Domains beyond ASCII are mapped as UTS 46 has it, and as the ICU that Postfix uses; checked with the files of the Unicode Consortium.
/// </summary>
public sealed partial class DomainTextSpecs(ITestOutputHelper output)
{
    private const string Unicode = "/usr/share/unicode/";

    [Theory]
    [InlineData("example.com", "example.com")]
    [InlineData("Example.COM.", "example.com")]
    [InlineData("", "")]
    [InlineData("_dmarc.a b", "_dmarc.a b")]
    [InlineData("bücher.example", "xn--bcher-kva.example")]
    [InlineData("BÜCHER.EXAMPLE.", "xn--bcher-kva.example")]
    [InlineData("bu\u0308cher.example", "xn--bcher-kva.example")]
    [InlineData("ＢÜＣＨＥＲ。ｅｘａｍｐｌｅ．", "xn--bcher-kva.example")]
    [InlineData("bücher｡example", "xn--bcher-kva.example")]
    [InlineData("bü\u00adcher.example", "xn--bcher-kva.example")]
    [InlineData("XN--BCHER-KVA.example", "xn--bcher-kva.example")]
    [InlineData("ｘｎ－－bcher-kva.example", "xn--bcher-kva.example")]
    [InlineData("faß.de", "xn--fa-hia.de")]
    [InlineData("FAẞ.de", "fass.de")]
    [InlineData("βόλος.com", "xn--nxasmm1c.com")]
    [InlineData("\u212bngstro\u0308m.example", "xn--ngstrm-hua5l.example")]
    [InlineData("\u1112\u1161\u11ab\u1100\u116e\u11a8.kr", "xn--3e0b707e.kr")]
    [InlineData("例え.テスト", "xn--r8jz45g.xn--zckzah")]
    [InlineData("😀.example", "xn--e28h.example")]
    [InlineData("א1.example", "xn--1-zhc.example")]
    [InlineData("aא.example", "xn--a-0hc.example")]
    [InlineData("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv")]
    [InlineData("क्\u200dष.com", "xn--11b2ezcw70k.com")]
    [InlineData("-bücher-.example", "xn---bcher--o2a.example")]
    [InlineData("xn--zzzzzzzzzzzz.bücher", "xn--zzzzzzzzzzzz.xn--bcher-kva")]
    public void Domain_becomes_what_the_dns_has(string domain, string expected)
    {
        Assert.Equal(expected, DomainText.ToAscii(domain));
        Assert.Equal(expected, DomainText.Key(domain));
    }

    [Theory]
    [InlineData("xn--bücher.example")]
    [InlineData("b\ufffdcher.example")]
    [InlineData("b\ud800cher.example")]
    [InlineData("\u0301a.example")]
    [InlineData("a\u2fffb.example")]
    [InlineData("a\u202eb.example")]
    public void Domain_that_cannot_be_mapped_is_no_name(string domain)
    {
        Assert.Null(DomainText.ToAscii(domain));
        Assert.Equal(domain.ToLowerInvariant(), DomainText.Key(domain));
    }

    [Theory]
    [InlineData("A.B@BÜCHER.example", "a.b@xn--bcher-kva.example")]
    [InlineData("a@b@Bücher.example.", "a@b@xn--bcher-kva.example")]
    [InlineData("Ü@example.com", "ü@example.com")]
    [InlineData("JOE", "joe")]
    [InlineData("joe@", "joe@")]
    public void Address_is_one_key_however_it_is_written(string address, string expected) =>
        Assert.Equal(expected, DomainText.AddressKey(address));

    [Fact]
    public void Long_domains_cost_little()
    {
        // Each would cost minutes if the work grew with the square of the length.
        foreach (var part in (string[])["ü", "a\u0301", "\u0344", "\u00ad", "ü.", "\ufdfa", "\u1112\u1161", "."])
        {
            var text = string.Concat(Enumerable.Repeat(part, 65536 / part.Length)) + "ü";
            _ = DomainText.ToAscii(text);
            Assert.NotEmpty(DomainText.AddressKey("a@" + text));
        }

        Assert.Null(DomainText.ToAscii(new string('ü', 64)));
        Assert.Null(DomainText.ToAscii(new string('漢', 60) + ".example"));
        Assert.Equal("xn--tda.example", DomainText.ToAscii(new string('\u00ad', 60000) + "ü.example"));
    }

    [Fact]
    public void Test_file_of_the_standard_is_passed()
    {
        var lines = 0;
        var wrong = new List<string>();
        var allowed = AllowedHere(TestFile());
        foreach (var line in File.ReadLines(TestFile()))
        {
            var columns = line.Split('#')[0].Split(';', StringSplitOptions.TrimEntries);
            if (columns.Length < 5)
            {
                continue;
            }

            lines++;
            var (source, unicode) = (Unescape(columns[0]), Unescape(columns[1].Length > 0 ? columns[1] : columns[0]));
            var expected = columns[3].Length > 0 ? Unescape(columns[3]) : unicode;
            var status = columns[4].Length > 0 ? columns[4] : columns[2];
            var errors = Codes().Matches(status).Select(static code => code.Value).Where(static code => !IsNotAsked(code)).ToList();
            var actual = DomainText.ToAscii(source);
            var isRight = actual == (expected.EndsWith('.') ? expected[..^1] : expected);

            // What stands in an encoded label is the DNS's: it is asked for as it is.
            var mayBe = (isRight && errors.TrueForAll(IsOfLength)) || source.EnumerateRunes().Any(rune => allowed.Contains(rune.Value));
            if (errors.Count == 0 ? !isRight : actual is not null && !mayBe && !source.Contains("xn--", StringComparison.OrdinalIgnoreCase))
            {
                wrong.Add($"{columns[0]} gave {actual ?? "no name"}, not {expected} {status}");
            }
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {lines}:\n" + string.Join('\n', wrong.Take(20)));
        Summary.Line(output, $"domains: {lines} lines of {TestFile()} pass");
    }

    [Fact]
    public void Mapping_of_every_code_point_is_that_of_the_standard()
    {
        foreach (var (first, last, columns) in Ranges(Needs.File(Unicode + "idna/IdnaMappingTable.txt", "unicode-idna")))
        {
            for (var point = first; point <= last; point++)
            {
                var mapped = new List<int>();
                Assert.Equal(columns[1] != "disallowed", UnicodeTables.Instance.TryMap(point, mapped));
                var expected = columns[1] switch
                {
                    "ignored" => "",
                    "mapped" or "disallowed_STD3_mapped" => columns[2],
                    _ => point.ToString("X4", CultureInfo.InvariantCulture),
                };
                Assert.Equal(expected, string.Join(' ', mapped.Select(static one => one.ToString("X4", CultureInfo.InvariantCulture))));
            }
        }
    }

    [ServerTest]
    [Fact]
    public async Task Composition_is_that_of_the_standard()
    {
        var file = Needs.File(Unicode + "NormalizationTest.txt.bz2", "unicode-data");
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("bzcat"), file);
        Assert.Equal(0, code);
        var lines = 0;
        foreach (var line in text.Split('\n').Where(static line => line.Length > 0 && char.IsAsciiHexDigit(line[0])))
        {
            var columns = line.Split(';').Take(5).Select(static column => column.Split(' ')
                .Select(static point => int.Parse(point, NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                .ToList()).ToList();
            Assert.All([0, 1, 2], column => Assert.Equal(columns[1], CanonicalComposition.Compose(columns[column])));
            Assert.All([3, 4], column => Assert.Equal(columns[3], CanonicalComposition.Compose(columns[column])));
            lines++;
        }

        Assert.True(lines > 18000, $"{lines} lines");
        Summary.Line(output, $"domains: {lines} lines of NormalizationTest.txt pass");
    }

    // The file refuses what STD3 does, and what Unicode had not yet assigned when it was made.
    private static HashSet<int> AllowedHere(string testFile)
    {
        const string Heading = "# Version: ";
        var made = Version.Parse(
            File.ReadLines(testFile).First(static line => line.StartsWith(Heading, StringComparison.Ordinal))[Heading.Length..]);
        var allowed = Ranges(Needs.File(Unicode + "idna/IdnaMappingTable.txt", "unicode-idna"))
            .Where(static range => range.Columns[1].StartsWith("disallowed_STD3", StringComparison.Ordinal))
                .Concat(Ranges(Needs.File(Unicode + "DerivedAge.txt", "unicode-data")).Where(
                    range => Version.Parse(range.Columns[1]) >= new Version(made.Major, made.Minor)));
        return [.. allowed.SelectMany(static range => Enumerable.Range(range.First, range.Last - range.First + 1))];
    }

    private static IEnumerable<(int First, int Last, string[] Columns)> Ranges(string file)
    {
        foreach (var line in File.ReadLines(file))
        {
            var columns = line.Split('#')[0].Split(';', StringSplitOptions.TrimEntries);
            if (columns.Length >= 2)
            {
                var ends = columns[0].Split("..")
                    .Select(static end => int.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                    .ToList();
                yield return (ends[0], ends[^1], columns);
            }
        }
    }

    // Right-to-left labels and joiners are judged by who registers them; Postfix does not, nor does it keep to the rules of STD3. Hyphens
    // are the DNS's business.
    private static bool IsNotAsked(string code) => code[0] is 'B' or 'C' || code is "U1" or "V2" or "V3" or "V7" or "V8";

    // Labels that are empty or too long: left to the lookup where they are ASCII.
    private static bool IsOfLength(string code) => code is "P4" or "A3" or "A4_1" or "A4_2" or "X3" or "X4_2";

    // Debian 12 has the file with a library that uses it, later ones also with the tables.
    private static string TestFile()
    {
        const string Package = "/usr/share/unicode/idna/IdnaTestV2.txt";
        const string Sources = "/usr/share/cargo/registry";
        var file = File.Exists(Package) || !Directory.Exists(Sources)
            ? Package
            : Directory.GetFiles(Sources, "IdnaTestV2.txt", SearchOption.AllDirectories).FirstOrDefault(Package);
        return Needs.File(file, "librust-idna-dev");
    }

    private static string Unescape(string text) =>
        Escape().Replace(text, static escape => Rune(escape.Groups[1].Value + escape.Groups[2].Value));

    private static string Rune(string hex) =>
        int.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture) is var point && System.Text.Rune.IsValid(point)
            ? new Rune(point).ToString()
            : ((char)point).ToString();

    [GeneratedRegex(@"\\u([0-9A-Fa-f]{4})|\\x\{([0-9A-Fa-f]+)\}")]
    private static partial Regex Escape();

    [GeneratedRegex(@"[A-Z][0-9](_[0-9])?")]
    private static partial Regex Codes();
}
