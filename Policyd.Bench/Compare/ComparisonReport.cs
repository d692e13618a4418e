using System.Globalization;
using System.Text;

namespace Policyd.Bench.Compare;

/// <summary>A comparison as text: a line for each measurement, and a Markdown table to paste into a page.</summary>
public static class ComparisonReport
{
    /// <summary>The line of one measurement; round 0 warms up and is not kept.</summary>
    public static string Line(int round, string name, Measurement measurement)
    {
        ArgumentNullException.ThrowIfNull(measurement);
        var (load, latency) = (measurement.Load, measurement.Load.Microseconds);
        var mark = round == 0 ? "warm-up" : string.Create(CultureInfo.InvariantCulture, $"round {round}");
        return string.Create(CultureInfo.InvariantCulture, $"{mark,-8} {name,-10} {load.RequestsPerSecond,8:0}/s  p50 {latency.P50,6:0} µs  p99 {latency.P99,7:0} µs  cpu {measurement.ProcessorMicroseconds,6:0.0} µs/request  {Mebibytes(measurement),5:0} MiB  errors {load.Errors.Total}")
            + (load.FirstWrongAnswer is { } answer ? $"  first wrong answer: {answer}" : string.Empty);
    }

    /// <summary>Medians of each server, and the first one's share of each other's, round against round.</summary>
    public static string Table(string label, IReadOnlyList<ContenderResult> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        Line($"| {label} | requests/s | p50 µs | p99 µs | CPU µs/request | memory MiB | first answer ms |");
        Line($"|---|---:|---:|---:|---:|---:|---:|");
        foreach (var result in results)
        {
            Line($"| {result.Name} | {Median(result, m => m.Load.RequestsPerSecond):0} | {Median(result, m => m.Load.Microseconds.P50):0} | {Median(result, m => m.Load.Microseconds.P99):0} | {Median(result, m => m.ProcessorMicroseconds):0.0} | {Median(result, Mebibytes):0} | {result.FirstAnswer.TotalMilliseconds:0} |");
        }

        var ours = results[0];
        foreach (var other in results.Skip(1))
        {
            Line($"| {ours.Name} / {other.Name} | {Ratio(ours, other, m => m.Load.RequestsPerSecond):0.00} | {Ratio(ours, other, m => m.Load.Microseconds.P50):0.00} | {Ratio(ours, other, m => m.Load.Microseconds.P99):0.00} | {Ratio(ours, other, m => m.ProcessorMicroseconds):0.00} | {Ratio(ours, other, Mebibytes):0.00} | |");
        }

        return text.ToString();
    }

    /// <summary>The median over the rounds of ours divided by theirs in the same round.</summary>
    public static double Ratio(ContenderResult ours, ContenderResult theirs, Func<Measurement, double> figure)
    {
        ArgumentNullException.ThrowIfNull(ours);
        ArgumentNullException.ThrowIfNull(theirs);
        return Median(ours.Rounds.Zip(theirs.Rounds, (our, their) => figure(our) / figure(their)));
    }

    private static double Mebibytes(Measurement measurement) => measurement.ResidentBytes / 1048576.0;

    private static double Median(ContenderResult result, Func<Measurement, double> figure) => Median(result.Rounds.Select(figure));

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
