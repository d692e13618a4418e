namespace Policyd.Bench.Compare;

/// <summary>The rate over a short interval, told when it ends.</summary>
/// <param name="End">Since the start of the series.</param>
public readonly record struct RateSample(TimeSpan End, double Rate);

/// <summary>When a server that has just started reaches the speed that it keeps.</summary>
public static class RiseTime
{
    private const int Smoothed = 3;
    private const double Reached = 0.95;

    /// <summary>
    /// The end of the first sample from which the median of three reaches 95 % of the level, which is the median of the last third;
    /// null when there are fewer than nine samples.
    /// </summary>
    public static TimeSpan? Find(IReadOnlyList<RateSample> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (samples.Count < Smoothed * Smoothed)
        {
            return null;
        }

        var level = Spread.Of(samples.Skip(samples.Count * 2 / 3).Select(sample => sample.Rate)).Median;
        var first = Enumerable.Range(0, samples.Count - Smoothed + 1)
            .Where(index => Spread.Of(samples.Skip(index).Take(Smoothed).Select(sample => sample.Rate)).Median >= Reached * level)
            .Select(index => (int?)index)
            .FirstOrDefault();
        return first is { } found ? samples[found].End : null;
    }
}
