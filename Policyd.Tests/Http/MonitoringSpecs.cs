using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>What a real server that counts shows to Prometheus, and sends to a collector.</summary>
[ServerTest]
public sealed partial class MonitoringSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly int _http = FreePort.Next();
    private readonly HttpClient _client = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Scrape_has_metrics_of_the_page_alone_and_promtool_finds_no_fault()
    {
        await using var server = await PolicydProcess.Serve(Configure(), _port);
        for (var mail = 1; mail <= 4; mail++)
        {
            Assert.Equal(mail <= 3 ? "dunno" : "reject too many", await Ask(mail));
        }

        var scrape = await Scrape();
        Assert.Equal("3", Value(scrape, "policyd_requests_total", "action=\"dunno\"", "virtual_host=\"inbound\""));
        Assert.Equal("1", Value(scrape, "policyd_requests_total", "action=\"reject\""));
        Assert.Equal("1", Value(scrape, "policyd_refusals_total", "rule=\"limit\""));
        Assert.Equal("4", Value(scrape, "policyd_request_duration_seconds_count"));
        Assert.Equal("3", Value(scrape, "policyd_plugin_duration_seconds_count", "plugin=\"limit\"", "outcome=\"nothing\""));
        Assert.Equal("1", Value(scrape, "policyd_plugin_duration_seconds_count", "plugin=\"limit\"", "outcome=\"answered\""));
        Assert.Equal("1", Value(scrape, "policyd_quota_exceeded_total", "plugin=\"limit\"", "mode=\"enforce\""));
        Assert.Equal("3", Value(scrape, "policyd_counters_commits_total"));
        Assert.Equal("0", Value(scrape, "policyd_counters_waiting", "connection=\"db\""));
        Assert.Equal("1", Value(scrape, "policyd_counters_owners"));
        Assert.Equal("3", Value(scrape, "policyd_source_duration_seconds_count", "source=\"sql\"", "connection=\"db\""));
        Assert.Contains("le=\"0.0005\"", scrape, StringComparison.Ordinal);
        Assert.DoesNotContain("alice@example.com", scrape, StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.7", scrape, StringComparison.Ordinal);
        HoldAgainstPage(scrape);

        var promtool = Needs.Program("promtool");
        var file = _folder.Write("scrape.txt", scrape);
        Assert.Equal((0, ""), await ProcessUnderTest.Run("sh", "-c", $"{promtool} check metrics < {file}"));
        var (code, told) = await ProcessUnderTest.Run(
            promtool, "check", "rules", FilesAbove.OfTheRepository("contrib/prometheus/policyd.rules.yml"));
        Assert.True(code == 0, told);
    }

    [Fact]
    public async Task Many_clients_ask_for_metrics_while_mail_is_answered()
    {
        await using var server = await PolicydProcess.Serve(Configure(), _port);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var scraping = Enumerable.Range(0, 8).Select(_ => Task.Run(
            async () =>
            {
                var answers = 0;
                while (!stop.IsCancellationRequested)
                {
                    Assert.Contains("policyd_build_info", await Scrape(), StringComparison.Ordinal);
                    answers++;
                }

                return answers;
            },
            Cancel)).ToList();
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        for (var mail = 0; mail < 500; mail++)
        {
            Assert.Equal("dunno", await client.AskAsync(Request(mail, $"user{mail}@example.com"), Cancel));
        }

        await stop.CancelAsync();
        var answers = await Eventually.Ends("the clients of /metrics", Task.WhenAll(scraping));
        Assert.All(answers, static count => Assert.True(count > 0));
        var scrape = "";
        await Eventually.Holds("an answer that is made after the last mail: each is kept for a moment", async () =>
        {
            scrape = await Scrape();
            return Value(scrape, "policyd_requests_total", "action=\"dunno\"") == "500";
        });

        // Not one series more for five hundred senders.
        Assert.True(scrape.Length < 200_000, $"{scrape.Length} bytes");
        HoldAgainstPage(scrape);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public async Task Collector_is_sent_metrics_and_a_trace_of_each_request_that_is_sampled(int part)
    {
        var port = FreePort.Next();
        await using var collector = await OtlpReceiver.StartAsync(port);
        var server = await PolicydProcess.Serve(
            Configure($"otlp {{ endpoint = \"http://127.0.0.1:{port}\", interval = 1s, traces = {part} }}"), _port);
        await using (server)
        {
            await Ask(1);
            await Eventually.Holds("the metrics to come", () => collector.Metrics.Contains("policyd.request.duration"));
            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }

        Assert.Contains("policyd.build.info", collector.Metrics);
        if (part == 0)
        {
            Assert.Empty(collector.Spans);
            return;
        }

        var request = Assert.Single(collector.Spans, static span => span.Name == "request");
        Assert.Equal("", request.Parent);
        var plugins = collector.Spans.Where(span => span.Parent == request.Id).Select(static span => span.Name);
        Assert.Equal(["limit", "count", "list", "rest"], plugins);
        var nested = Assert.Single(collector.Spans, static span => span.Name == "answer");
        Assert.Equal(Assert.Single(collector.Spans, static span => span.Name == "rest").Id, nested.Parent);
        Assert.All(collector.Spans, span => Assert.Equal(request.Trace, span.Trace));
    }

    [Fact]
    public async Task Collector_that_is_away_is_told_once_and_mail_is_answered()
    {
        await using var server = await PolicydProcess.Serve(
            Configure($"otlp {{ endpoint = \"http://127.0.0.1:{FreePort.Next()}\", interval = 1s, traces = 1 }}"), _port);
        Assert.Equal("dunno", await Ask(1));
        await Eventually.Holds(
            "the log to tell of the collector",
            () => server.Lines.Any(static line => line.Contains("otlp: the collector", StringComparison.Ordinal)));
        Assert.Equal("dunno", await Ask(2));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.Single(server.Lines, static line => line.Contains("otlp: the collector", StringComparison.Ordinal));
    }

    private static void HoldAgainstPage(string scrape)
    {
        var page = MonitoringPage.Read();
        foreach (var sample in Sample().Matches(scrape).ToList())
        {
            var name = MonitoringPage.MetricOf(sample.Groups[1].Value, page);
            Assert.True(page.TryGetValue(name, out var row), $"{name} is not on the page");
            var labels = Label().Matches(sample.Groups[2].Value).Select(static one => one.Groups[1].Value).Where(static one => one != "le");
            Assert.Equal(row.Labels.Order(StringComparer.Ordinal), labels.Order(StringComparer.Ordinal));
        }
    }

    /// <summary>The value of the one sample that has these labels.</summary>
    private static string Value(string scrape, string name, params string[] labels) => Assert.Single(
        Sample().Matches(scrape),
        sample => sample.Groups[1].Value == name
            && Array.TrueForAll(labels, label => sample.Groups[2].Value.Contains(label, StringComparison.Ordinal))).Groups[3].Value;

    private Task<string> Scrape() => _client.GetStringAsync($"http://127.0.0.1:{_http}/metrics", Cancel);

    private async Task<string> Ask(int mail)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        return await client.AskAsync(Request(mail, "alice@example.com"), Cancel);
    }

    private static byte[] Request(int mail, string sender) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", "END-OF-MESSAGE").Add("sender", sender).Add("client_address", "192.0.2.7")
        .Add("instance", mail.ToString(CultureInfo.InvariantCulture)).Add("size", "10").ToBytes();

    private string Configure(string more = "")
    {
        var file = _folder["counts.db"];
        SqliteFile.Execute(file, "CREATE TABLE IF NOT EXISTS listed (client_ip TEXT)");
        return _folder.Write(
            "policyd.hocon",
            $$"""
            policyd {
              listen = ["127.0.0.1:{{_port}}"], admin { listen = off }
              http { listen = "127.0.0.1:{{_http}}" }
              {{more}}
              connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{file}}" } }
              virtual_hosts = [ { name = inbound, port = {{_port}}, plugins = [
                { name = limit, module = Quota, field = sender, metric = count, threshold = 3, action = "reject too many" }
                { name = count, module = Accounting, fields = sender }
                { name = list, module = SqlList, sql_query = "SELECT client_ip FROM listed WHERE client_ip = ?", score = 1 }
                { name = rest, module = RegexList, key = sender, regex = ["."], plugins = [
                  { name = answer, module = Action, action = dunno } ] } ] } ]
            }
            """);
    }

    [GeneratedRegex(@"^(policyd_\w+)\{([^}\n]*)\} (\S+)$", RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex("""(\w+)="[^"]*"[,]?""")]
    private static partial Regex Label();
}
