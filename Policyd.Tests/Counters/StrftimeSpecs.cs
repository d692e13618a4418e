using System.Globalization;
using System.Text;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>Window texts, held against the C library's own strftime as Perl, and so mtpolicyd, calls it.</summary>
public sealed class StrftimeSpecs(ITestOutputHelper output)
{
    private const string Letters = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
    private const string Zone = "Europe/Berlin";
    private static readonly string[] s_flags = ["", "-", "_", "0", "^", "#", "5", "-5", "_5", "05", "^#7", "E", "O"];

    // Reads "epoch<TAB>pattern" lines, escaped as \n and \t where they need it, and answers each on a line of its own.
    private const string Oracle = """
        use POSIX; $| = 1;
        while (<STDIN>) { chomp; my ($epoch, $pattern) = split /\t/, $_, 2; my $text = strftime($pattern, localtime($epoch)); $text =~ s/\n/<LF>/g; $text =~ s/\t/<TAB>/g; print "$text\n"; }
        """;

    [ServerTest]
    [Fact]
    public async Task Every_conversion_with_flags_and_width_is_written_as_the_C_library_writes_it()
    {
        var seed = TestSeed.Next();
        Summary.Line(output, $"strftime: POLICYD_SEED={seed}");
        var random = new Random(seed);
        var times = Enumerable.Range(0, 60).Select(_ => random.NextInt64(0, 4_000_000_000))
            .Concat(Enumerable.Range(1996, 33).SelectMany(year => new[] { 0, 3, 6, -1, -3 }.Select(
                day => new DateTimeOffset(year, 1, 1, 12, 0, 0, TimeSpan.Zero).AddDays(day).ToUnixTimeSeconds())))
            // The hours around both changes of the clock in 2024, and noon and midnight.
            .Concat(Enumerable.Range(0, 8).SelectMany(half => new[] { 1_711_846_000L + (half * 1800), 1_729_986_000L + (half * 1800) }))
            .Concat([1_700_000_000 - (1_700_000_000 % 86400), 1_700_000_000 - (1_700_000_000 % 86400) + 43200, 5]).ToList();
        var questions = times.SelectMany(epoch => Enumerable.Range(0, 40).Select(_ => (Epoch: epoch, Pattern: RandomPattern(random))))
            .Concat(times.Take(5).SelectMany(epoch => Letters.Replace("Z", "", StringComparison.Ordinal)
                .SelectMany(letter => s_flags.Select(flags => (Epoch: epoch, Pattern: $"%{flags}{letter}")))))
            .Where(question => Strftime.Check(question.Pattern) is null).ToList();
        var expected = await AskPerl(questions);
        var zone = TimeZoneInfo.FindSystemTimeZoneById(Zone);
        foreach (var ((epoch, pattern), theirs) in questions.Zip(expected))
        {
            var ours = Strftime.Format(pattern, TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(epoch), zone))
                .Replace("\n", "<LF>", StringComparison.Ordinal)
                .Replace("\t", "<TAB>", StringComparison.Ordinal);
            Assert.True(theirs == ours, $"\"{pattern}\" of {epoch}: expected \"{theirs}\", came \"{ours}\"");
        }
    }

    [ServerTest]
    [Fact]
    public async Task What_is_taken_for_unknown_the_C_library_copies_as_it_stands()
    {
        // And the other way round: what it copies is an error here.
        var all = Enumerable
            .Range('!', 94)
            .Select(c => (char)c)
            .Where(c => !char.IsAsciiDigit(c) && c is not ('_' or '-' or '^' or '#' or 'E' or 'O'))
                .SelectMany(c => new[] { $"%{c}", $"%E{c}", $"%O{c}" }).ToList();
        var answers = await AskPerl([.. all.Select(pattern => (1_700_000_000L, pattern))]);
        foreach (var (pattern, theirs) in all.Zip(answers))
        {
            Assert.True(
                (Strftime.Check(pattern) is null) == (theirs != pattern),
                $"\"{pattern}\": the C library writes \"{theirs}\", here: {Strftime.Check(pattern) ?? "known"}");
        }
    }

    [Theory]
    [InlineData("%Y-%q", "\"%q\" is not a conversion of strftime; available:")]
    [InlineData("%Y-%i", "\"%i\" is not a conversion of strftime; did you mean %I?")]
    [InlineData("%Y-%Em", "\"%Em\" is not a conversion of strftime; did you mean %m?")]
    [InlineData("%Y-%", "\"%\" at the end is not a conversion; write a percent sign as %%")]
    [InlineData("%Y-%-05", "\"%-05\" at the end is not a conversion")]
    [InlineData("%999999999999Y", "longer than the column of the table (255 characters)")]
    [InlineData("%N", "\"%N\" is not a conversion of strftime; did you mean %n?")]
    public void What_is_no_conversion_is_told(string pattern, string error) => Assert.StartsWith(
        error, Strftime.Check(pattern)?.Replace("its texts are ", "", StringComparison.Ordinal), StringComparison.Ordinal);

    [Fact]
    public void Rolling_window_covers_its_span_and_at_most_a_bucket_more()
    {
        foreach (var seconds in new[] { 1, 59, 60, 100, 3600, 86400 })
        {
            var span = TimeSpan.FromSeconds(seconds);
            for (var epoch = 1_700_000_000L; epoch < 1_700_000_000 + 200; epoch++)
            {
                var window = CounterWindow.Sliding(span, DateTimeOffset.FromUnixTimeSeconds(epoch));
                var bucket = (long)CounterWindow.BucketLength(span).TotalSeconds;
                var (from, to) = (Start(window.Range.From), Start(window.Range.To));
                Assert.InRange(epoch, to, to + bucket - 1);
                Assert.InRange(from, epoch - seconds - (2 * bucket) + 1, epoch - seconds);
                Assert.Equal(window.Time, window.Range.To);
            }
        }

        static long Start(string text) => long.Parse(text.Split(':')[1], CultureInfo.InvariantCulture);
    }

    private static string RandomPattern(Random random)
    {
        var pattern = new StringBuilder();
        for (var parts = random.Next(1, 5); parts > 0; parts--)
        {
            pattern.Append('%');
            for (var flags = random.Next(-2, 3); flags > 0; flags--)
            {
                pattern.Append("_-0^#"[random.Next(5)]);
            }

            _ = random.Next(3) == 0 ? pattern.Append(random.Next(1, 14)) : pattern;
            _ = random.Next(6) == 0 ? pattern.Append("EO"[random.Next(2)]) : pattern;

            // The zone's abbreviation is that of the process, which the test does not choose.
            pattern.Append(Letters.Replace("Z", "", StringComparison.Ordinal)[random.Next(Letters.Length - 1)])
                .Append("-x 7"[random.Next(4)]);
        }

        return pattern.ToString();
    }

    private static async Task<IReadOnlyList<string>> AskPerl(List<(long Epoch, string Pattern)> questions)
    {
        await using var perl = ProcessUnderTest.Start(
            Needs.Program("perl"), ["-e", Oracle], new Dictionary<string, string> { ["LC_ALL"] = "C", ["TZ"] = Zone });
        foreach (var (epoch, pattern) in questions)
        {
            await perl.Input.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{epoch}\t{pattern}"));
        }

        perl.Input.Close();
        Assert.Equal(0, await perl.Exits());
        Assert.Equal(questions.Count, perl.Lines.Count);
        return perl.Lines;
    }
}
