using System.Text.Json;
using System.Text.RegularExpressions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>What contrib/grafana/policyd.json shows: its panels, each with its questions to Prometheus.</summary>
internal sealed partial class Dashboard : IDisposable
{
    private readonly JsonDocument _document =
        JsonDocument.Parse(File.ReadAllText(FilesAbove.OfTheRepository("contrib/grafana/policyd.json")));

    /// <summary>A question of a panel.</summary>
    /// <param name="RefId">Its letter.</param>
    /// <param name="Expression">In PromQL, with Grafana's variables.</param>
    /// <param name="Legend">The text of the legend.</param>
    /// <param name="DataSource">Whom it asks.</param>
    internal sealed record Target(string RefId, string Expression, string Legend, string DataSource)
    {
        /// <summary>The expression as Grafana asks it for all instances.</summary>
        public string Asked(string interval) => Expression
            .Replace("$__rate_interval", interval, StringComparison.Ordinal)
            .Replace("$instance", ".+", StringComparison.Ordinal)
            .Replace("$job", ".+", StringComparison.Ordinal);

        /// <summary>The labels that its result has, when it says so itself.</summary>
        public IReadOnlyList<string>? Grouped => By().Match(Expression) is { Success: true } by
            ? by.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries) : null;

        /// <summary>The labels that the legend shows.</summary>
        public IEnumerable<string> Shown => Placeholder().Matches(Legend).Select(static one => one.Groups[1].Value);
    }

    /// <summary>A panel that is no row.</summary>
    internal sealed record Panel(
        int Id, string Type, string Title, string Description, string DataSource, string Unit, IReadOnlyList<Target> Targets);

    public JsonElement Root => _document.RootElement;

    /// <summary>All panels, rows too, with their places.</summary>
    public IEnumerable<(int Id, int X, int Y, int Width, int Height)> Places => Root.GetProperty("panels").EnumerateArray().Select(
        static panel => (
            panel.GetProperty("id").GetInt32(), Place(panel, "x"), Place(panel, "y"), Place(panel, "w"), Place(panel, "h")));

    /// <summary>The panels that show something.</summary>
    public IReadOnlyList<Panel> Panels =>
    [
        .. from panel in Root.GetProperty("panels").EnumerateArray()
           where panel.GetProperty("type").GetString() != "row"
           select new Panel(
               panel.GetProperty("id").GetInt32(),
               Text(panel, "type"),
               Text(panel, "title"),
               panel.TryGetProperty("description", out var description) ? description.GetString()! : "",
               Text(panel.GetProperty("datasource"), "uid"),
               Text(panel.GetProperty("fieldConfig").GetProperty("defaults"), "unit"),
               [
                   .. from target in panel.GetProperty("targets").EnumerateArray()
                      select new Target(
                          Text(target, "refId"),
                          Text(target, "expr"),
                          Text(target, "legendFormat"),
                          Text(target.GetProperty("datasource"), "uid")),
               ]),
    ];

    /// <summary>The variables that ask Prometheus, with the metric and the label of each.</summary>
    public IEnumerable<(string Name, string Metric, string Label)> Variables =>
        from variable in Root.GetProperty("templating").GetProperty("list").EnumerateArray()
        where variable.GetProperty("type").GetString() == "query"
        let query = LabelValues().Match(Text(variable.GetProperty("query"), "query"))
        select (Text(variable, "name"), query.Groups[1].Value, query.Groups[2].Value);

    public void Dispose() => _document.Dispose();

    private static string Text(JsonElement parent, string member) => parent.GetProperty(member).GetString()!;

    private static int Place(JsonElement panel, string member) => panel.GetProperty("gridPos").GetProperty(member).GetInt32();

    [GeneratedRegex(@"\bby \(([^)]*)\)")]
    private static partial Regex By();

    [GeneratedRegex(@"\{\{(\w+)\}\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"^label_values\((\w+)(?:\{[^}]*\})?, (\w+)\)$")]
    private static partial Regex LabelValues();
}
