namespace Policyd.Bench.Compare;

/// <summary>Whether memory is level: at its start every server grows, so only the later two thirds of a run are looked at.</summary>
public static class MemoryGrowth
{
    private const int Thirds = 3;

    /// <summary>
    /// The median of the last third of the samples, divided by that of the middle one; null with fewer than three samples.
    /// </summary>
    public static double? Of(IReadOnlyList<double> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var third = samples.Count / Thirds;
        return third == 0
            ? null
            : Spread.Of(samples.TakeLast(third)).Median / Spread.Of(samples.SkipLast(third).TakeLast(third)).Median;
    }
}
