using System.Text.RegularExpressions;

namespace Policyd.Tests.Http;

/// <summary>The dashboard follows the rules of Grafana's own linter (github.com/grafana/dashboard-linter, docs/index.md).</summary>
public sealed partial class DashboardSpecs : IDisposable
{
    private const string DataSource = "${datasource}";
    private readonly Dashboard _dashboard = new();

    public void Dispose() => _dashboard.Dispose();

    [Fact]
    public void Each_panel_says_what_it_shows_and_asks_the_data_source_that_is_chosen() => Assert.All(_dashboard.Panels, static panel =>
    {
        Assert.Equal("timeseries", panel.Type);
        Assert.NotEqual("", panel.Title);
        Assert.EndsWith(".", panel.Description, StringComparison.Ordinal);
        Assert.Equal(DataSource, panel.DataSource);
        Assert.All(panel.Targets, static target => Assert.Equal(DataSource, target.DataSource));
        Assert.Equal(panel.Targets.Count, panel.Targets.Select(static target => target.RefId).Distinct().Count());
    });

    [Fact]
    public void Each_question_has_job_and_instance_and_takes_counters_as_rates() => Assert.All(Targets, static target =>
    {
        var selectors = Selector().Matches(target.Expression);
        Assert.NotEmpty(selectors);
        Assert.Equal(MonitoringPage.NamesIn(target.Expression).Count(), selectors.Count);
        Assert.All(selectors, static one => Assert.StartsWith(
            "job=~\"$job\", instance=~\"$instance\"", one.Groups[2].Value, StringComparison.Ordinal));
        Assert.All(selectors, one => Assert.Equal(
            IsCounter(one.Groups[1].Value),
            target.Expression.Contains($"rate({one.Value}[$__rate_interval])", StringComparison.Ordinal)));
    });

    [Fact]
    public void Each_panel_has_the_unit_of_its_metrics()
    {
        var page = MonitoringPage.Read();
        Assert.All(_dashboard.Panels, panel => Assert.All(panel.Targets, target =>
        {
            var name = Assert.Single(MonitoringPage.NamesIn(target.Expression));
            Assert.Contains(panel.Unit, UnitsOf(target.Expression, name, page[MonitoringPage.MetricOf(name, page)].Unit));
        }));
    }

    [Fact]
    public void Each_legend_shows_labels_that_the_answer_has()
    {
        var page = MonitoringPage.Read();
        Assert.All(Targets, target =>
        {
            var name = Assert.Single(MonitoringPage.NamesIn(target.Expression));
            string[] has = ["job", "instance", .. page[MonitoringPage.MetricOf(name, page)].Labels];
            Assert.Subset(has.ToHashSet(), (target.Grouped ?? []).Where(static label => label != "le").ToHashSet());
            Assert.Subset((target.Grouped ?? has).ToHashSet(), target.Shown.ToHashSet());
        });
    }

    [Fact]
    public void Panels_lie_side_by_side_in_the_24_columns()
    {
        var places = _dashboard.Places.ToList();
        Assert.All(places, static one => Assert.InRange(one.X + one.Width, 1, 24));
        foreach (var (one, other) in places.SelectMany((one, index) => places.Skip(index + 1).Select(other => (one, other))))
        {
            Assert.False(
                one.X < other.X + other.Width && other.X < one.X + one.Width
                    && one.Y < other.Y + other.Height && other.Y < one.Y + one.Height,
                $"panels {one.Id} and {other.Id} overlap");
        }
    }

    private IEnumerable<Dashboard.Target> Targets => _dashboard.Panels.SelectMany(static panel => panel.Targets);

    private static bool IsCounter(string name) =>
        name.EndsWith("_total", StringComparison.Ordinal) || name.EndsWith("_count", StringComparison.Ordinal)
            || name.EndsWith("_bucket", StringComparison.Ordinal);

    // A part of a second of each second is a share. Grafana's names are those of its packages/grafana-data/src/valueFormats/categories.ts.
    private static string[] UnitsOf(string expression, string name, string unit) => unit switch
    {
        "seconds" when name.EndsWith("_bucket", StringComparison.Ordinal) => ["s"],
        "seconds" when name.EndsWith("_total", StringComparison.Ordinal) => ["percentunit"],
        "seconds" when name.EndsWith("_count", StringComparison.Ordinal) => ["ops"],
        "bytes" => ["bytes"],
        "request" when expression.Contains("rate(", StringComparison.Ordinal) => ["reqps", "ops"],
        _ => expression.Contains("rate(", StringComparison.Ordinal) ? ["ops"] : ["short"],
    };

    [GeneratedRegex(@"(policyd_\w+)\{([^}]*)\}")]
    private static partial Regex Selector();
}
