using System.Diagnostics;
using System.Text;
using Policyd.Plugins.Api;
using Policyd.Plugins.Idna;
using Policyd.Plugins.Perl;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>Properties and characters beyond U+FFFF in regular expressions mean what they mean to Perl.</summary>
public sealed class PerlUnicodeSpecs
{
    private const string Unicode = "/usr/share/unicode/";

    private static readonly string[] s_patterns =
    [
        @"^\p{Cyrillic}+$", @"^\p{IsCyrillic}", @"^\p{InCyrillic}", @"\P{Cyrillic}", @"^\p{^Cyrillic}$", @"^\P{^Cyrillic}$",
        @"^\p{ c y-rillic }", @"^\p{Cyrl}+$", @"^\p{Script=Cyrillic}",
        @"^\p{sc:Cyrl}", @"^\p{Han}$", @"^\P{Han}$", @"^\p{Han}{2}$", @"^\p{Script=Han}+$", @"^\p{Script_Extensions=Han}+$",
        @"^\p{scx=Hani}+$", @"^[\p{Han}a-z]+$", @"^[^\p{Han}a-z]+$",
        @"^[^\p{Han}]$", @"^[\P{Han}x]+$", @"^[a\x{20000}-\x{2FFFF}]$", @"^[^a\x{20000}-\x{2FFFF}]$", "^[a\U00020000]+$", "^\U00020000+$",
        @"^\x{20000}$", @"^\x{20000}{2}$", @"^\N{U+20000}+$",
        @"^\pL+$", @"^\PL+$", @"^\p{L}$", @"^\p{Letter}+$", @"^\p{gc=L}", @"^\p{General_Category=Lu}", @"^\p{Lu}", @"(?i)^\p{Lu}+$",
        @"(?i)^[^\p{Lu}]+$", @"^\p{L&}+$", @"^\p{LC}+$",
        @"^\p{Nd}+$", @"^\p{Sc}$", @"^\p{Punct}$", @"^\p{Alphabetic}+$", @"^\p{Uppercase}", @"^\p{Space}$", @"^\p{Emoji}$",
        @"^[\p{Emoji}]{2}$", @"^\p{Any}+$", @"^\p{Assigned}+$", @"^\P{Assigned}$",
        @"^\p{ASCII}+$", @"^\p{Block=Basic_Latin}+$", @"^\p{Blk=ASCII}+$", @"^\p{Arrows}$", @"^\p{InArrows}$", @"^\p{Common}$",
        @"^\p{Script=Common}$", @"^\p{Inherited}$", @"^\p{Latin}+$", @"^\p{Greek}\p{Latin}",
        @"^[\p{Greek}\p{Latin}]+$", @"^[\p{Latin}[:digit:]]+$", @"^[\p{Latin}[:^digit:]]+$", @"^[^\p{Latin}[:^digit:]]+$",
        @"^[\p{Han}\d]+$", @"^[\p{Han}\D]+$", @"^[\p{Han}\-\]\\]+$", @"^[]\p{Han}]+$",
        @"^[^]\p{Han}]+$", @"^[\p{Han}-]+$", @"^[\p{Han}-z]+$", @"^[\p{Han}\n\t\x41-\x43\x{61}-\x{63}\cA\077\0]+$", @"^(\p{Han})\1$",
        @"^(?:\p{Cyrillic}|\p{Greek})+$", @"(\p{Latin}\p{Cyrillic}|\p{Cyrillic}\p{Latin})",
        @"^\p{Hiragana}$", @"^\p{Katakana}$", @"^\p{Script=Katakana}$", @"^\p{Hangul}+$", @"^\p{Thai}+$", @"^\p{Cn}$", @"^\p{Co}$",
        @"^\p{Zs}$", @"^\p{M}$", @"^\p{Deseret}+$", @"(?x)^ \p{Han} + $ # all",
    ];

    private static readonly string[] s_texts =
    [
        "", "a", "z", "A", "AZ", "aя", "яa", "я", "Яблоко", "привет", "ԁ", "中", "中文", "中中", "漢a", "\U00020000", "\U00020000\U00020000",
        "a\U00020000", "\U00020000中", "\U0002A700", "\U00030000", "\U0001F600", "\U0001F600\U0001F601",
        "1", "12", "१२", "٣", "$", "€", "!", "。", "、", "ー", "あ", "ア", "한국", "ไทย", "→", " ", "\u00a0", "\u3000", "é", "e\u0301", "\u0301",
        "Ω", "Ωa", "ß", "ǅ", "K", "]", "-", "\\", "中-", "中]", "]中", "]a", "ABC", "abc", "\n", "\u0001",
        "?", "\u0378", "\ue000", "\U000F0000", "\U00010400\U00010428", "\U00010400", "〇", "々", "\ufffd",
    ];

    [ServerTest]
    [Fact]
    public async Task Patterns_match_what_perl_matches()
    {
        // Bytes of UTF-8 in, one line of 0 and 1 a pattern out; \d \w \s are ASCII here, which is Perl's flag a.
        const string script = """
            use open qw(:std :utf8); my @t = map { chomp; join "", map { chr hex } split / / } split /\|/, <STDIN>;
            while (my $p = <STDIN>) { chomp $p; my $r = qr/(?a)$p/; print join("", map { /$r/ ? 1 : 0 } @t), "\n" }
            """;
        var codes = string.Join(
            '|', s_texts.Select(static text => string.Join(' ', text.EnumerateRunes().Select(static rune => rune.Value.ToString("x")))));
        TestKinds.MayStart("perl");
        using var perl = Process.Start(new ProcessStartInfo(Needs.Program("perl"), ["-e", script])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
        })!;
        var reply = perl.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await perl.StandardInput.WriteAsync(codes + "\n" + string.Join('\n', s_patterns) + "\n");
        perl.StandardInput.Close();
        var expected = (await reply).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(s_patterns.Length, expected.Length);
        var wrong = new List<string>();
        for (var index = 0; index < s_patterns.Length; index++)
        {
            Assert.True(PerlRegex.TryParse(s_patterns[index], out var regex, out var error), error);
            Assert.True(regex!.IsLinear || s_patterns[index].Contains(@"\1", StringComparison.Ordinal), s_patterns[index]);
            for (var text = 0; text < s_texts.Length; text++)
            {
                if (regex.IsMatch(s_texts[text]) != (expected[index][text] == '1'))
                {
                    wrong.Add($"{s_patterns[index]} on {s_texts[text]}: Perl says {expected[index][text]}");
                }
            }
        }

        // .NET does not know the two cases of a letter beyond U+FFFF.
        Assert.Equal([@"(?i)^\p{Lu}+$ on 𐐀𐐨: Perl says 1"], wrong);
    }

    [Theory]
    [InlineData("Scripts.txt", "Script=")]
    [InlineData("Blocks.txt", "Block=")]
    [InlineData("extracted/DerivedGeneralCategory.txt", "General_Category=")]
    public void Tables_are_those_of_the_unicode_consortium(string file, string property)
    {
        var values = new Dictionary<string, List<(int First, int Last)>>();
        foreach (var line in File.ReadLines(Needs.File(Unicode + file, "unicode-data")))
        {
            var columns = line.Split('#')[0].Split(';', StringSplitOptions.TrimEntries);
            if (columns.Length < 2)
            {
                continue;
            }

            var ends = columns[0].Split("..");
            if (!values.TryGetValue(columns[1], out var ranges))
            {
                values.Add(columns[1], ranges = []);
            }

            ranges.Add((Convert.ToInt32(ends[0], 16), Convert.ToInt32(ends[^1], 16)));
        }

        // Characters that are newer than the table's Unicode are none in it.
        Assert.True(UnicodeProperties.Instance.TryFind("Assigned", out var assigned, out _));
        foreach (var (name, ranges) in values.Where(value => value.Key is not "Cn"))
        {
            Assert.True(UnicodeProperties.Instance.TryFind(property + name, out var set, out var error), error);
            var newer = ranges.SelectMany(static range => Enumerable.Range(range.First, range.Last - range.First + 1))
                .Where(point => !set!.Contains(point) && assigned!.Contains(point));
            Assert.Empty(newer);
            Assert.DoesNotContain(set!.Ranges, range => !ranges.Exists(own => own.First <= range.First && range.First <= own.Last));
        }
    }

    [Theory]
    [InlineData(@"a\p{Cyrilic}", "character 2: there is no Unicode category, script or block \"Cyrilic\"; did you mean Cyrillic?")]
    [InlineData(@"[a\p{Hann}]", "character 3: there is no Unicode category, script or block \"Hann\"")]
    [InlineData(@"\p{Script=Klingon}", "character 1: the property Script has no value \"Klingon\"")]
    [InlineData(@"\p{Size=Han}", "\"Size\" is not a supported property")]
    [InlineData(@"\p{=Han}", "\"\" is not a supported property")]
    [InlineData(@"\p{}", "there is no Unicode category, script or block \"\"")]
    [InlineData(@"\p{Han", @"character 1: \p{ has no closing brace")]
    [InlineData(@"\p", @"character 1: \p has no property after it")]
    [InlineData(@"[\p{Han}z-a]", "character 10: the range z-a ends before it begins")]
    [InlineData(@"[\p{Han}", "the class has no closing bracket")]
    [InlineData(@"[\p{Han}\y]", "character 9: this escape is not supported")]
    [InlineData(@"[\p{Han}[:nope:]]", "[:nope:]")]
    [InlineData(@"\x{110000}", "character 1: there is no character \\x{110000}")]
    [InlineData(@"\x{FFFFFFFFFFFFFFFF}", "there is no character")]
    [InlineData(@"\o{77777777777777}", "there is no character")]
    public void What_unicode_does_not_have_is_refused_with_its_place(string pattern, string part)
    {
        Assert.False(PerlRegex.TryParse(pattern, out _, out var error));
        Assert.Contains(part, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Quoted_character_beyond_ffff_is_repeated_as_a_whole()
    {
        Assert.True(PerlRegex.TryParse("^\\Q[\U00020000\\E+$", out var regex, out var error), error);
        Assert.True(regex!.IsMatch("[\U00020000\U00020000"));
        Assert.False(regex.IsMatch("[["));
    }

    [Fact]
    public void Patterns_with_properties_run_in_linear_time_and_are_bounded()
    {
        Assert.True(PerlRegex.TryParse(@"^[^\p{Han}\p{Cyrillic}]*\p{L}{1,5}$", out var regex, out _));
        Assert.True(regex!.IsLinear);
        Assert.False(PerlRegex.TryParse(string.Concat(Enumerable.Repeat(@"\p{L}", 1000)), out _, out var error));
        Assert.Contains("the pattern has too many properties", error, StringComparison.Ordinal);
    }
}
