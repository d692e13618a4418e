namespace Policyd.Bench.Compare;

/// <summary>What several measurements of one thing amount to: the median, which one disturbed window
/// does not move, and the range.</summary>
public sealed record Spread(double Median, double Min, double Max)
{
    /// <exception cref="ArgumentException">No value.</exception>
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0)
        {
            throw new ArgumentException("A spread needs a value.", nameof(values));
        }

        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }
}
