using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>Window texts, held against the C library's own strftime as date(1) shows it.</summary>
public sealed class StrftimeSpecs
{
    private const string Specifiers = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYz%";

    [Fact]
    public async Task Every_specifier_is_written_as_the_C_library_writes_it()
    {
        var date = Needs.Program("date");
        var pattern = string.Join('|', Specifiers.Select(c => "%" + c)) + "|%Ey|%Od|%q";
        var random = new Random(7);
        var days = Enumerable.Range(0, 12).Select(_ => random.NextInt64(0, 4_000_000_000))
            .Concat(Enumerable.Range(1996, 33).SelectMany(year => new[] { 0, 3, 6, -1, -3 }.Select(day => new DateTimeOffset(year, 1, 1, 12, 0, 0, TimeSpan.Zero).AddDays(day).ToUnixTimeSeconds())));
        foreach (var epoch in days)
        {
            await using var process = ProcessUnderTest.Start(date, ["-u", "-d", $"@{epoch}", "+" + pattern.Replace("%n", "", StringComparison.Ordinal).Replace("|%q", "", StringComparison.Ordinal)], new Dictionary<string, string> { ["LC_ALL"] = "C" });
            await process.Exits();
            var ours = Strftime.Format(pattern, DateTimeOffset.FromUnixTimeSeconds(epoch)).Replace("\n", "", StringComparison.Ordinal);
            Assert.Equal(string.Join('\n', process.Lines) + "|%q", ours);
        }
    }

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

        static long Start(string text) => long.Parse(text.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
