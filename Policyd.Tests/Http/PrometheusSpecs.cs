using System.Globalization;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>A real Prometheus scrapes a real server: each question of the dashboard has an answer, each alert can be evaluated.</summary>
[ServerTest]
public sealed class PrometheusSpecs : IDisposable
{
    // They need a cluster, a counters' database that is away, or a list that is silent.
    private static readonly string[] s_notOnThisServer =
    [
        "policyd_cluster_members", "policyd_cluster_unreachable", "policyd_cluster_working", "policyd_counters_deferred_total",
        "policyd_counters_unavailable_total", "policyd_dns_suppressed_total",
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly Dashboard _dashboard = new();
    private readonly HttpClient _client = new();
    private readonly int _port = FreePort.Next();
    private readonly int _http = FreePort.Next();
    private readonly int _prometheus = FreePort.Next();
    private int _mails;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _client.Dispose();
        _dashboard.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Prometheus_has_an_answer_to_each_question_of_the_dashboard()
    {
        await using var dns = new ScriptedDnsServer().A("7.2.0.192.list.example", "127.0.0.2")
            .A("7.2.0.192.refusing.example", "127.255.255.254");
        await using var server = await PolicydProcess.Serve(Configure(dns.Address), _port);
        await using var prometheus = ProcessUnderTest.Start(
            Needs.Program("prometheus"),
            [
                $"--config.file={Scrape()}", $"--storage.tsdb.path={_folder["tsdb"]}", $"--web.listen-address=127.0.0.1:{_prometheus}",
                "--log.level=warn",
            ]);
        await AskNonsense();
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        var targets = _dashboard.Panels.SelectMany(static panel => panel.Targets)
            .Where(static target => !MonitoringPage.NamesIn(target.Expression).Any(s_notOnThisServer.Contains)).ToList();
        var missing = new List<string>();
        await Eventually.Settles(
            () => $"an answer to each question, without:\n{string.Join('\n', missing)}\nPrometheus: {string.Join('\n', prometheus.Lines)}",
            async () =>
            {
                await Mails(client, 20);
                missing.Clear();
                foreach (var target in targets)
                {
                    if (await AnswersAsync(target.Asked("30s")) == 0)
                    {
                        missing.Add(target.Expression);
                    }
                }

                return missing.Count == 0;
            });
        foreach (var (name, metric, label) in _dashboard.Variables)
        {
            Assert.Equal(name, label);
            Assert.True(await AnswersAsync($"{metric}{{{label}!=\"\"}}") > 0, $"no label {label} of {metric}");
        }

        await Eventually.Holds("each rule to be evaluated", async () => (await RulesAsync()).All(static rule => rule.Health != "unknown"));
        var rules = await RulesAsync();
        Assert.NotEmpty(rules);
        Assert.All(rules, static rule => Assert.Equal((rule.Name, "ok"), (rule.Name, rule.Health)));
    }

    private async Task<int> AnswersAsync(string expression)
    {
        using var answer = await AskAsync($"query?query={Uri.EscapeDataString(expression)}");
        return answer?.RootElement.GetProperty("data").GetProperty("result").GetArrayLength() ?? 0;
    }

    private async Task<IReadOnlyList<(string Name, string Health)>> RulesAsync()
    {
        using var answer = await AskAsync("rules");
        return answer is null ? [] :
        [
            .. from one in answer.RootElement.GetProperty("data").GetProperty("groups").EnumerateArray()
               from rule in one.GetProperty("rules").EnumerateArray()
               select (rule.GetProperty("name").GetString()!, rule.GetProperty("health").GetString()!),
        ];
    }

    // Null while it is not ready yet. A fault in an expression is a 400.
    private async Task<JsonDocument?> AskAsync(string question)
    {
        try
        {
            using var response = await _client.GetAsync(new Uri($"http://127.0.0.1:{_prometheus}/api/v1/{question}"), Cancel);
            var text = await response.Content.ReadAsStringAsync(Cancel);
            Assert.True(response.IsSuccessStatusCode || text.Contains("Unavailable", StringComparison.Ordinal), text);
            return response.IsSuccessStatusCode ? JsonDocument.Parse(text) : null;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    // A panel counts what the server could not read.
    private async Task AskNonsense()
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        await Assert.ThrowsAnyAsync<Exception>(async () => await client.AskAsync("nonsense\n\n"u8.ToArray(), Cancel));
    }

    private async Task Mails(PolicyClient client, int count)
    {
        for (var last = _mails + count; _mails < last; _mails++)
        {
            await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", $"{_mails % 3}@example.com")
                    .Add("client_address", "192.0.2.7").Add("instance", _mails.ToString(CultureInfo.InvariantCulture)).Add("size", "10")
                    .ToBytes(),
                Cancel);
        }
    }

    private string Scrape() => _folder.Write(
        "prometheus.yml",
        $$"""
        global: { scrape_interval: 1s, evaluation_interval: 1s }
        rule_files: [ "{{FilesAbove.OfTheRepository("contrib/prometheus/policyd.rules.yml")}}" ]
        scrape_configs:
          - job_name: policyd
            static_configs: [ { targets: ["127.0.0.1:{{_http}}"] } ]
        """);

    private string Configure(string dns) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = off }, log_level = 0
          http { listen = "127.0.0.1:{{_http}}" }
          dns { servers = ["{{dns}}"] }
          decisions { db = db, what = all }
          connections {
            db { module = Sql, dsn = "dbi:SQLite:dbname={{_folder["counts.db"]}}" }
            away { module = Memcached, servers = "127.0.0.1:1" }
          }
          session_cache { module = Memcached, memcached = away }
          virtual_hosts = [ { name = inbound, port = {{_port}}, plugins = [
            { name = watched, module = Action, action = "reject no", observe = on }
            { name = fails, module = SqlList, sql_query = "SELECT 1 FROM nowhere WHERE a = ?", on_error = continue }
            { name = list, module = RBL, domain = "list.example", mode = passive, score = 1 }
            { name = refusing, module = RBL, domain = "refusing.example" }
            { name = limit, module = Quota, field = sender, metric = count, threshold = 3, action = "reject too many" }
            { name = count, module = Accounting, fields = sender }
          ] } ]
        }
        """);
}
