using Policyd.Counting.Store;
using Policyd.Engine.Building;
using Policyd.Engine.Decisions;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Services;
using Policyd.Tests.Actors;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>Counters of a third party's plugin: exact, once for each mail, purged, and known to the operator's commands.</summary>
public sealed class CounterServicesSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly InMemoryCounters _counters = new();
    private readonly SetClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_mail_is_counted_once_and_exactly_by_the_running_server()
    {
        await using var server = await ServerUnderTest.StartAsync(
            Configuration("{ name = c, module = Counts, window = 1h }", "127.0.0.1:0"), modules: [typeof(CountsPlugin)]);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(mail => server.AskAsync($"m.{mail}")));
        Assert.Equal(Enumerable.Range(1, 20).Select(count => $"reject {count}").Order(), answers.Order());
        Assert.Equal("reject 20", await server.AskAsync("m.7"));
        Assert.Equal("reject 20", await server.AskAsync("m.7", "other@example.org"));
        var table = Assert.Single(CounterCatalog.Of(server.Handle.Model));
        Assert.Equal(("third_party", "1h"), (table.Table, Assert.Single(table.Windows).Name));
    }

    [Fact]
    public async Task The_daily_task_deletes_what_is_no_longer_kept_and_the_hourly_one_old_requests_without_an_Accounting()
    {
        await using var policy = Policy("{ name = c, module = Counts, pattern = \"%Y-%m\", keep = 60d }");
        var store = policy.Model.CounterStores["db"];
        var ct = TestContext.Current.CancellationToken;
        await store.PrepareAsync("third_party", ct);
        var bucket = _clock.Now.ToUnixTimeSeconds() - 7200;
        string[] times = ["2026-01", _clock.Now.ToString("yyyy-MM"), "ever", $"w3600:{bucket:D10}"];
        for (var sequence = 1; sequence <= 2; sequence++)
        {
            await store.CommitAsync(
                new CounterCommit(
                    new Guid("00000000-0000-0000-0000-000000000001"),
                    sequence,
                    _clock.Now - TimeSpan.FromHours(3),
                    [(UInt128)sequence],
                    [.. times.Select(time => new CounterDelta("third_party", "k", time, new CounterAmounts(1, 0, 0, 0)))]),
                ct);
        }

        Assert.Equal(0, await policy.Model.CronAsync(["hourly", "daily"], ct));
        var left = await store.ListAsync("third_party", null, CounterMetric.Count, 100, ct);
        Assert.Equal([times[1], "ever"], left.Select(row => row.Time).Order(StringComparer.Ordinal));
        Assert.Single(await store.RequestIdsSinceAsync(DateTimeOffset.UnixEpoch, new Dictionary<Guid, long>(), ct));
    }

    [Fact]
    public async Task A_database_that_fails_is_a_failure_of_the_task()
    {
        await using var policy = PolicyUnderTest.Of(
            Configuration("{ name = c, module = Counts }").Replace(_folder.Path, "/nonexistent", StringComparison.Ordinal),
            Environment());
        Assert.Equal(1, await policy.Model.CronAsync(["daily"], TestContext.Current.CancellationToken));
        Assert.Single(policy.Log.Containing("cron of the counters of connection db failed"));
    }

    [Fact]
    public async Task A_rehearsal_counts_nothing_and_tells_what_it_would()
    {
        await using var policy = Policy("{ name = c, module = Counts, observe = on }");
        policy.Depth = DecisionDepth.Facts;
        await policy.AskAsync(("recipient", "b@example.org"));
        Assert.Empty(_counters.Rows);
        Assert.Contains(policy.Steps[0].Facts, fact => fact.Name == "would have" && fact.Value!.Contains("for example.org in third_party"));
        Assert.False(Assert.Single(policy.Model.CounterTables).Writes);
    }

    [Fact]
    public async Task Counters_that_do_not_answer_are_unknown_before_the_plugins_time_is_over()
    {
        _counters.Hangs = true;
        await using var policy = Policy("{ name = c, module = Counts, timeout = 1500ms, on_error = \"reject failed\" }");
        Assert.Equal("reject unknown", await policy.AskAsync(("recipient", "b@example.org")));
        Assert.Single(policy.Log.Containing("counters of third_party: timed out after"));
    }

    [Fact]
    public async Task A_count_that_is_only_kept_is_unknown_and_one_that_is_not_kept_is_a_failure()
    {
        (_counters.State, _counters.Reason) = (CounterState.Deferred, CounterReason.Database);
        await using var policy = Policy("{ name = c, module = Counts, on_error = \"reject failed\" }");
        Assert.Equal("reject unknown", await policy.AskAsync(("recipient", "b@example.org")));
        policy.NewMail();
        (_counters.State, _counters.Reason) = (CounterState.Unavailable, CounterReason.Spool);
        Assert.Equal("reject failed", await policy.AskAsync(("recipient", "b@example.net")));
    }

    [Theory]
    [InlineData("table = \"a b\"", "the counter a b: 'a b' is not a valid table name")]
    [InlineData("pattern = \"%Y-%\"", "the counter third_party: ")]
    [InlineData("window = 1h, keep = 1d", "the counter third_party: not allowed with a rolling window")]
    [InlineData("window = 10ms", "the counter third_party: a rolling window must be at least one second long")]
    [InlineData("db = other", "db: there is no connection \"other\"")]
    public void What_cannot_be_is_an_error_at_the_start(string options, string expected)
    {
        Assert.Null(PolicyUnderTest.Build(
            Configuration($"{{ name = c, module = Counts, {options} }}"), out var diagnostics, Environment()));
        Assert.Contains(expected, Assert.Single(diagnostics.All).Message, StringComparison.Ordinal);
    }

    private string Configuration(string plugins, string port = "127.0.0.1:12345") => $$"""
        policyd {
          listen = ["{{port}}"]
          connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{_folder.Path}}/counters.db" } }
          virtual_hosts = [ { name = t, port = "{{port}}", plugins = [ {{plugins}} ] } ]
        }
        """;

    private ModelEnvironment Environment() =>
        new() { Modules = ModuleRegistry.BuiltIn.With([typeof(CountsPlugin)]), Counters = _counters, Clock = _clock };

    private PolicyUnderTest Policy(string plugins) => PolicyUnderTest.Of(Configuration(plugins), Environment());

    /// <summary>Counts the mails for a domain.</summary>
    [SideEffects("counts the mail")]
    public sealed class CountsPlugin : Plugin
    {
        private PluginCounter _counter = null!;

        public string Table { get; set; } = "third_party";

        public string Pattern { get; set; } = "%Y-%m-%d";

        public TimeSpan? Window { get; set; }

        public TimeSpan? Keep { get; set; }

        public string Db { get; set; } = "db";

        public override void Initialize(PluginSetup setup)
        {
            var window = Window is { } length ? CounterWindowKind.Rolling(length) : CounterWindowKind.Calendar(Pattern);
            _counter = setup.Counter(Table, window, Db, keep: Keep)!;
        }

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var sum = await _counter.AddAsync(context, context.Request.Recipient.Split('@')[^1]);
            return PluginResult.Answer($"reject {sum?.Count.ToString() ?? "unknown"}");
        }
    }
}
