using System.Diagnostics.Metrics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Plugins.Metrics;
using Policyd.Server.History;
using Policyd.Server.Logging;
using Policyd.Server.Telemetry;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>docs/monitoring.md and the instruments of all rooms have the same metrics; dashboard and alerts use no others.</summary>
public sealed class MonitoringPageSpecs
{
    private static readonly string[] s_rooms =
        ["Policyd.Plugins", "Policyd.Counting", "Policyd.Backends", "Policyd.Modules", "Policyd.Engine", "Policyd.Actors", "policyd"];

    [Fact]
    public async Task Page_has_every_metric_with_its_unit_and_no_other()
    {
        var instruments = await Instruments();
        var page = MonitoringPage.Read();
        Assert.Equal(instruments.Select(NameOf).Order(StringComparer.Ordinal), page.Keys.Order(StringComparer.Ordinal));
        Assert.All(instruments, one => Assert.Equal(UnitOf(one), page[NameOf(one)].Unit));
        Assert.All(instruments, static one => Assert.EndsWith(".", one.Description, StringComparison.Ordinal));
    }

    [Fact]
    public void Dashboard_is_complete_and_asks_only_for_metrics_of_the_page()
    {
        var page = MonitoringPage.Read();
        using var dashboard = JsonDocument.Parse(File.ReadAllText(FilesAbove.OfTheRepository("contrib/grafana/policyd.json")));
        var root = dashboard.RootElement;
        Assert.Equal("policyd", root.GetProperty("title").GetString());
        var panels = root.GetProperty("panels").EnumerateArray().ToList();
        Assert.Equal(panels.Count, panels.Select(static panel => panel.GetProperty("id").GetInt32()).Distinct().Count());
        var asked = panels.Where(static panel => panel.GetProperty("type").GetString() != "row").ToList();
        Assert.All(asked, panel =>
        {
            Assert.NotEqual("", panel.GetProperty("title").GetString());
            var targets = panel.GetProperty("targets").EnumerateArray().Select(static one => one.GetProperty("expr").GetString()!).ToList();
            Assert.NotEmpty(targets);
            Assert.All(targets, expression => Assert.NotEmpty(MonitoringPage.NamesIn(expression)));
        });
        AssertKnown(root.GetRawText(), page);
    }

    [Fact]
    public void Alerts_ask_only_for_metrics_of_the_page() =>
        AssertKnown(File.ReadAllText(FilesAbove.OfTheRepository("contrib/prometheus/policyd.rules.yml")), MonitoringPage.Read());

    private static void AssertKnown(string expressions, IReadOnlyDictionary<string, MonitoringPage.Row> page) => Assert.All(
        MonitoringPage.NamesIn(expressions), name => Assert.Contains(MonitoringPage.MetricOf(name, page), page.Keys));

    /// <summary>All instruments of the meter: those of the classes that hold them, and those of a running server.</summary>
    private static async Task<List<Instrument>> Instruments()
    {
        var holders = s_rooms.Select(Assembly.Load).SelectMany(static room => room.GetTypes())
            .Where(static type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                .Any(static field => field.FieldType.IsSubclassOf(typeof(Instrument))));
        foreach (var holder in holders)
        {
            RuntimeHelpers.RunClassConstructor(holder.TypeHandle);
        }

        var all = new List<Instrument>();
        await using var server = await ServerUnderTest.AnsweringAsync();
        using var log = new LogQueue([]);
        using var gauges = new ServerGauges(server.Handle, new DecisionHistory(server.Handle, NullLogger.Instance), log);
        using var requests = new RequestMetrics();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == PolicydMeter.Name)
            {
                all.Add(instrument);
            }
        };
        listener.Start();
        return [.. all.DistinctBy(static one => one.Name)];
    }

    // As the exporter names it.
    private static string NameOf(Instrument instrument)
    {
        var isCounter = instrument.GetType().Name is var kind
            && (kind.StartsWith("Counter", StringComparison.Ordinal) || kind.StartsWith("ObservableCounter", StringComparison.Ordinal));
        var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        return instrument.Name.Replace('.', '_') + unit + (isCounter ? "_total" : "");
    }

    private static string UnitOf(Instrument instrument) =>
        instrument.Unit switch { "s" => "seconds", "By" => "bytes", null => "", var unit => unit.Trim('{', '}') };
}
