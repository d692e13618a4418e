using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>
/// The dashboard follows the rules of Grafana's own linter (github.com/grafana/dashboard-linter, docs/index.md), and a real Prometheus has
/// an answer to each of its questions.
/// </summary>
public sealed partial class DashboardSpecs(ITestOutputHelper output) : IDisposable
{
    private const string DataSource = "${datasource}";

    // What needs a second node, or a source that is away, is not on a server that is well: the page has it all the same.
    private const int LeastAnswered = 30;

    private readonly TemporaryFolder _folder = new();
    private readonly Dashboard _dashboard = new();
    private readonly HttpClient _client = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _client.Dispose();
        _dashboard.Dispose();
        _folder.Dispose();
    }

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

    [Fact]
    [ServerTest]
    public async Task Prometheus_answers_each_question_about_a_busy_server()
    {
        var (port, http, own) = (FreePort.Next(), FreePort.Next(), FreePort.Next());
        await using var dns = new ScriptedDnsServer().A("7.2.0.192.list.example", "127.0.0.2");
        await using var server = await PolicydProcess.Serve(Configure(port, http, dns.Address), port);
        await using var prometheus = ProcessUnderTest.Start(
            Needs.Program("prometheus"),
            [
                $"--config.file={Scrape(http)}", $"--storage.tsdb.path={_folder["tsdb"]}", $"--web.listen-address=127.0.0.1:{own}",
                "--log.level=warn",
            ]);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var asking = Task.Run(() => KeepAskingAsync(port, stop.Token), Cancel);
        var missing = new List<string>();
        await Eventually.Settles(
            () => $"an answer to each question; without one:\n{string.Join('\n', missing)}\n{string.Join('\n', prometheus.Lines)}",
            async () =>
            {
                var known = await KnownAsync(own);
                missing = [];
                foreach (var target in Targets.Where(target => MonitoringPage.NamesIn(target.Expression).All(known.Contains)))
                {
                    if (!await HasAnswerAsync(own, target.Asked("10s")))
                    {
                        missing.Add(target.Expression);
                    }
                }

                return known.Contains("policyd_build_info") && missing.Count == 0
                    && Targets.Count(target => MonitoringPage.NamesIn(target.Expression).All(known.Contains)) >= LeastAnswered;
            });
        await stop.CancelAsync();
        await Eventually.Ends("the mail", asking);
        foreach (var (name, metric, label) in _dashboard.Variables)
        {
            Assert.Equal(name, label);
            Assert.True(await HasAnswerAsync(own, $"{metric}{{{label}!=\"\"}}"), $"no label {label} of {metric}");
        }

        var names = await KnownAsync(own);
        foreach (var target in Targets.Where(target => !MonitoringPage.NamesIn(target.Expression).All(names.Contains)))
        {
            output.WriteLine($"not on this server: {target.Expression}");
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

    private async Task<HashSet<string>> KnownAsync(int port)
    {
        using var answer = await AskAsync(port, "label/__name__/values");
        return answer is null ? [] : [.. answer.RootElement.GetProperty("data").EnumerateArray().Select(static name => name.GetString()!)];
    }

    private async Task<bool> HasAnswerAsync(int port, string expression)
    {
        using var answer = await AskAsync(port, $"query?query={Uri.EscapeDataString(expression)}");
        return answer?.RootElement.GetProperty("data").GetProperty("result").GetArrayLength() > 0;
    }

    // Null while it does not listen yet. A fault in an expression is a 400.
    private async Task<JsonDocument?> AskAsync(int port, string question)
    {
        try
        {
            using var response = await _client.GetAsync(new Uri($"http://127.0.0.1:{port}/api/v1/{question}"), Cancel);
            var text = await response.Content.ReadAsStringAsync(Cancel);
            Assert.True(response.IsSuccessStatusCode || text.Contains("Unavailable", StringComparison.Ordinal), text);
            return response.IsSuccessStatusCode ? JsonDocument.Parse(text) : null;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task KeepAskingAsync(int port, CancellationToken stopping)
    {
        await using (var malformed = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel))
        {
            await Assert.ThrowsAnyAsync<Exception>(async () => await malformed.AskAsync("nonsense\n\n"u8.ToArray(), Cancel));
        }

        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        for (var mail = 0; !stopping.IsCancellationRequested; mail++)
        {
            await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", $"{mail % 3}@example.com")
                    .Add("client_address", "192.0.2.7").Add("instance", mail.ToString(CultureInfo.InvariantCulture)).Add("size", "10")
                    .ToBytes(),
                Cancel);
        }
    }

    private string Scrape(int http) => _folder.Write(
        "prometheus.yml",
        $$"""
        global: { scrape_interval: 500ms, scrape_timeout: 400ms }
        scrape_configs:
          - job_name: policyd
            static_configs: [ { targets: ["127.0.0.1:{{http}}"] } ]
        """);

    private string Configure(int port, int http, string dns) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{port}}"], admin { listen = off }, log_level = 0
          http { listen = "127.0.0.1:{{http}}" }
          dns { servers = ["{{dns}}"] }
          decisions { db = db, what = all }
          connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{_folder["counts.db"]}}" } }
          virtual_hosts = [ { name = inbound, port = {{port}}, plugins = [
            { name = watched, module = Action, action = "reject no", observe = on }
            { name = fails, module = SqlList, sql_query = "SELECT 1 FROM nowhere WHERE a = ?", on_error = continue }
            { name = list, module = RBL, domain = "list.example" }
            { name = limit, module = Quota, field = sender, metric = count, threshold = 3, action = "reject too many" }
            { name = count, module = Accounting, fields = sender }
          ] } ]
        }
        """);

    [GeneratedRegex(@"(policyd_\w+)\{([^}]*)\}")]
    private static partial Regex Selector();
}
