using Policyd.Bench.Compare;
using Policyd.Bench.Load;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>What the windows of a comparison amount to.</summary>
public class ComparisonStatisticsSpecs
{
    [Theory]
    [InlineData(new[] { 5.0 }, 5, 5, 5)]
    [InlineData(new[] { 3.0, 1, 2 }, 2, 1, 3)]
    [InlineData(new[] { 4.0, 1, 3, 2 }, 2.5, 1, 4)]
    public void Spread_is_the_median_and_the_range(double[] values, double median, double min, double max) =>
        Assert.Equal(new Spread(median, min, max), Spread.Of(values));

    [Fact]
    public void Spread_of_nothing_is_refused() => Assert.Throws<ArgumentException>(() => Spread.Of([]));

    [Theory]
    [InlineData(new double[0], false)]
    [InlineData(new[] { 100.0, 100 }, false)]
    [InlineData(new[] { 100.0, 101, 104 }, false)]
    [InlineData(new[] { 100.0, 103, 101 }, true)]
    [InlineData(new[] { 100.0, 101, 102 }, true)]
    [InlineData(new[] { 10.0, 50, 100, 101, 102 }, true)]
    [InlineData(new[] { 100.0, 101, 102, 110 }, false)]
    [InlineData(new[] { 0.0, 0, 0 }, false)]
    public void Rate_is_steady_when_the_last_three_lie_within_three_hundredths(double[] rates, bool steady)
    {
        var rate = new SteadyRate();
        Array.ForEach(rates, rate.Add);
        Assert.Equal((rates.Length, steady), (rate.Windows, rate.IsSteady));
    }

    [Fact]
    public void Rise_ends_with_the_first_sample_of_three_that_reach_the_level()
    {
        // One sample of a second each; a lone spike is not the level, a lone dip does not undo it.
        Assert.Equal(TimeSpan.FromSeconds(5), RiseTime.Find(Samples(10, 100, 20, 60, 96, 70, 100, 101, 99, 100, 100, 100)));
        Assert.Equal(TimeSpan.FromSeconds(1), RiseTime.Find(Samples(100, 100, 100, 100, 100, 100, 100, 100, 100)));
    }

    [Fact]
    public void Rise_of_too_few_samples_is_unknown() => Assert.Null(RiseTime.Find(Samples(1, 2, 3, 4, 5, 6, 7, 8)));

    [Fact]
    public void Growth_of_memory_leaves_the_first_third_out()
    {
        Assert.Equal(1, MemoryGrowth.Of([10, 50, 90, 100, 100, 100, 100, 100, 100]));
        Assert.Equal(1.5, MemoryGrowth.Of([10, 100, 150]));
        Assert.Equal(2, MemoryGrowth.Of([1, 1, 10, 10, 20, 20]));
        Assert.Null(MemoryGrowth.Of([1, 2]));
    }

    [Fact]
    public void Ratio_is_window_against_window()
    {
        var figure = new Figure(Stage.Rates, "requests/s", 0);
        var figures = new Figures();
        foreach (var (ours, theirs) in new[] { (50.0, 100.0), (30, 40), (90, 100) })
        {
            figures.Add(figure, "policyd", ours);
            figures.Add(figure, "echo", theirs);
        }

        Assert.Equal([0.5, 0.75, 0.9], figures.Ratios(figure, new Pair("policyd", "echo", SameKind: false)));
        Assert.Empty(figures.Ratios(figure, new Pair("policyd", "absent", SameKind: false)));
        figures.Add(figure, "policyd", 1);
        Assert.Empty(figures.Ratios(figure, new Pair("policyd", "echo", SameKind: false)));
    }

    [Fact]
    public void Ratio_needs_something_to_divide_by_and_the_same_kind_of_thing()
    {
        var idle = new Figure(Stage.Idle, "CPU %", 1, Comparable: false);
        var figures = new Figures();
        figures.Add(idle, "new", 1);
        figures.Add(idle, "old", 2);
        figures.Add(idle, "zero", 0);
        Assert.Equal([0.5], figures.Ratios(idle, new Pair("new", "old", SameKind: true)));
        Assert.Empty(figures.Ratios(idle, new Pair("new", "old", SameKind: false)));
        Assert.Empty(figures.Ratios(idle, new Pair("new", "zero", SameKind: true)));
    }

    [Fact]
    public void Table_shows_the_median_and_the_range_and_JSON_every_value()
    {
        var figures = new Figures();
        figures.Add(new Figure(Stage.Idle, "memory MiB", 0), "policyd", 90);
        var rate = new Figure(Stage.Rates, "requests/s", 0);
        foreach (var value in new[] { 1000.0, 3000, 2000 })
        {
            figures.Add(rate, "policyd", value);
            figures.Add(rate, "echo", 4000);
        }

        var endpoint = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 1);
        ContenderStart[] servers = [new("policyd", ["policyd"], endpoint, IsOurs: true), new("echo", ["echo"], endpoint)];
        var options = new CompareOptions { Stages = Stage.Rates | Stage.Idle, Load = new LoadOptions { Endpoint = endpoint } };
        var result = new ComparisonResult(
            options,
            new Dictionary<string, string>(),
            servers,
            Comparison.PairsOf(servers),
            figures,
            [new Warmup("policyd", 4, true)],
            [],
            []);
        Assert.Equal(
            """
            | plain | policyd | echo | policyd / echo |
            |---|---:|---:|---:|
            | rates: requests/s | 2,000 (1,000–3,000) | 4,000 (4,000–4,000) | 0.50 (0.25–0.75) |
            | idle: memory MiB | 90 |  |  |

            """,
            FigureTable.Show("plain", result));

        using var json = System.Text.Json.JsonDocument.Parse(ComparisonJson.Show("plain", result));
        var first = json.RootElement.GetProperty("figures")[0];
        Assert.Equal("rates", first.GetProperty("stage").GetString());
        Assert.Equal(2000, first.GetProperty("servers").GetProperty("policyd").GetProperty("summary").GetProperty("median").GetDouble());
        Assert.Equal(3, first.GetProperty("ratios").GetProperty("policyd / echo").GetProperty("values").GetArrayLength());
    }

    [Fact]
    public void Settings_of_the_runtime_are_told_and_those_of_its_commands_are_not()
    {
        KeyValuePair<string, string>[] variables =
            [
                new("PATH", "/bin"), new("DOTNET_ROOT", "/usr"), new("DOTNET_CLI_HOME", "/tmp"), new("DOTNET_gcServer", "1"),
                new("COMPlus_TieredPGO", "0")
            ];
        Assert.Equal(["COMPlus_TieredPGO", "DOTNET_gcServer"], InheritedSettings.Choose(variables).Keys);
    }

    private static RateSample[] Samples(params double[] rates) =>
        [.. rates.Select((rate, index) => new RateSample(TimeSpan.FromSeconds(index + 1), rate))];
}
