using System.Text.RegularExpressions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>The metrics of docs/monitoring.md.</summary>
internal static partial class MonitoringPage
{
    /// <summary>A row of the page.</summary>
    /// <param name="Name">The metric, as Prometheus names it.</param>
    /// <param name="Unit">Its unit.</param>
    /// <param name="Labels">Its labels.</param>
    internal sealed record Row(string Name, string Unit, IReadOnlyList<string> Labels);

    public static IReadOnlyDictionary<string, Row> Read() =>
        Line().Matches(File.ReadAllText(FilesAbove.OfTheRepository("docs/monitoring.md")))
            .Select(static one => new Row(
                one.Groups[1].Value,
                one.Groups[2].Value.Trim(),
                one.Groups[3].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)))
            .ToDictionary(static row => row.Name, StringComparer.Ordinal);

    /// <summary>The metrics that an expression of PromQL names.</summary>
    public static IEnumerable<string> NamesIn(string expressions) =>
        Name().Matches(expressions).Select(static one => one.Value).Distinct();

    /// <summary>The metric of a sample: a histogram has three.</summary>
    public static string MetricOf(string sample, IReadOnlyDictionary<string, Row> page) =>
        page.ContainsKey(sample) ? sample : Suffix().Replace(sample, "");

    [GeneratedRegex(@"^\| `(policyd_\w+)` \|([^|]*)\|([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Line();

    [GeneratedRegex(@"\bpolicyd_\w+")]
    private static partial Regex Name();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}
