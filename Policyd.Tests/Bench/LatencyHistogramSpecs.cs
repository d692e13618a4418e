using Policyd.Bench.Load;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The histogram against an exact sort of the same values.</summary>
public class LatencyHistogramSpecs(ITestOutputHelper output)
{
    private static readonly double[] Percents = [0, 1, 50, 90, 99, 99.9, 100];

    [Fact]
    public void Percentiles_are_within_a_128th_of_an_exact_sort()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 50; round++)
        {
            // As many small as huge values: the magnitude is drawn first.
            var values = Enumerable.Range(0, random.Next(1, 2000)).Select(_ => random.NextInt64(1L << random.Next(1, 50))).ToArray();
            var histogram = new LatencyHistogram();
            Array.ForEach(values, histogram.Record);
            Array.Sort(values);
            foreach (var percent in Percents)
            {
                var exact = values[Math.Max(1, (int)Math.Ceiling((decimal)percent / 100 * values.Length)) - 1];
                var seen = histogram.Percentile(percent);
                Assert.InRange(seen, exact, exact + (exact / 128));
            }

            Assert.Equal((values.LongLength, values[0], values[^1]), (histogram.Count, histogram.Min, histogram.Max));
            Assert.Equal(values.Average(), histogram.Mean, tolerance: 1e-9 * (1 + values[^1]));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(long.MaxValue)]
    public void Single_value_is_every_percentile(long value)
    {
        var histogram = new LatencyHistogram();
        histogram.Record(value);
        Assert.All(Percents, percent => Assert.Equal(value, histogram.Percentile(percent)));
    }

    [Fact]
    public void Empty_and_cleared_histograms_are_all_zero()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(-5);
        Assert.Equal((1L, 0L), (histogram.Count, histogram.Max));
        histogram.Record(7);
        histogram.Clear();
        Assert.Equal((0L, 0L, 0L, 0.0, 0L), (histogram.Count, histogram.Min, histogram.Max, histogram.Mean, histogram.Percentile(99)));
    }
}
