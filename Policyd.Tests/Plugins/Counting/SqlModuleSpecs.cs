using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins.Counting;

/// <summary>SqlUserConfig, SqlList and retention on a SQLite file.</summary>
public sealed class SqlModuleSpecs
{
    private static readonly string[] s_settings = ["quota", "n", "big", "yes", "no", "nested"];
    private static readonly (string, string) Client = ("client_address", "192.0.2.7");

    [Theory]
    [InlineData(
        """'{"quota":"7","n":1.50,"big":12345678901234567,"yes":true,"no":false,"nested":{"a":[1]}}'""",
        "7|1.5|12345678901234567|1|0|{\"a\":[1]}")]
    [InlineData("""'{"quota":null}'""", "|||||")]
    [InlineData("'[1]'", "|||||")]
    [InlineData("'no json'", "|||||")]
    [InlineData("NULL", "|||||")]
    public async Task User_settings_come_into_the_session(string config, string expected)
    {
        var folder = new TemporaryFolder();
        Fill(folder, $"CREATE TABLE user_config (address TEXT, config TEXT); INSERT INTO user_config VALUES ('192.0.2.7', {config})");
        await using var policy = new CountingPolicy("{ name = uc, module = SqlUserConfig, field = client_address }", folder);
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client));
        var session = policy.Last.Session;
        Assert.Equal(expected, string.Join('|', s_settings.Select(key => session[key])));
    }

    [Theory]
    [InlineData("{\"a\":\"\\ud800\"}")]
    [InlineData("{\"\\ud800\":\"1\"}")]
    [InlineData("{\"a\":[\"\\udfff\"]}")]
    public async Task Settings_of_broken_text_are_no_json_and_the_mail_goes_on(string config)
    {
        var folder = new TemporaryFolder();
        Fill(folder, $"CREATE TABLE user_config (address TEXT, config TEXT); INSERT INTO user_config VALUES ('192.0.2.7', '{config}')");
        await using var policy = new CountingPolicy(
            "{ name = uc, module = SqlUserConfig, field = client_address }, { name = a, module = Action, action = \"reject went on\" }",
            folder);
        Assert.Equal("reject went on", await policy.AskAsync("a.1", Client));
        Assert.Single(policy.Log.Containing("are not valid JSON"));
    }

    [Fact]
    public async Task Settings_in_a_column_of_bytes_are_text_and_null_takes_away_what_the_session_had()
    {
        var folder = new TemporaryFolder();
        Fill(
            folder,
            "CREATE TABLE user_config (address TEXT, config BLOB); INSERT INTO user_config VALUES ('192.0.2.7', "
                + "CAST('{\"quota\":null,\"n\":\"9\"}' AS BLOB))");
        await using var policy = new CountingPolicy(
            "{ name = q, module = SetField, key = quota, value = 5 }, { name = uc, module = SqlUserConfig, field = client_address }",
            folder);
        await policy.AskAsync("a.1", Client);
        Assert.Null(policy.Last.Session["quota"]);
        Assert.Equal("9", policy.Last.Session["n"]);
    }

    [Theory]
    [InlineData("hourly")]
    [InlineData("daily")]
    public async Task Cron_is_the_first_to_use_a_new_database(string task)
    {
        await using var policy = new CountingPolicy("{ name = acct, module = Accounting, fields = client_address, keep = 60d }");
        await policy.Model.CronAsync([task], TestContext.Current.CancellationToken);
        Assert.Empty(policy.Log.Containing("failed"));
        Assert.Empty(await policy.Model.CounterStores["db"].ListAsync(
            "acct_client_address", null, CounterMetric.Count, 1, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Field_is_bound_and_never_part_of_the_query()
    {
        var folder = new TemporaryFolder();
        Fill(folder, "CREATE TABLE user_config (address TEXT, config TEXT); INSERT INTO user_config VALUES ('a', '{\"x\":\"1\"}')");
        await using var policy = new CountingPolicy("{ name = uc, module = SqlUserConfig, field = sender }", folder);
        await policy.AskAsync("a.1", ("sender", "' OR '1'='1"));
        Assert.Equal(0, policy.Last.Session.Count);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("'0'")]
    [InlineData("0")]
    [InlineData("''")]
    [InlineData("NULL")]
    [InlineData("'yes'")]
    public async Task List_matches_any_row_whatever_it_holds(string column)
    {
        var folder = new TemporaryFolder();
        Fill(folder, $"CREATE TABLE list (ip TEXT, v); INSERT INTO list VALUES ('192.0.2.7', {column})");
        await using var policy = new CountingPolicy(
            "{ name = l, module = SqlList, sql_query = \"SELECT v FROM list WHERE ip=?\", score = 5, match_action = \"reject "
                + "listed\", not_match_action = dunno }", folder);
        Assert.Equal("reject listed", await policy.AskAsync("a.1", Client));
        Assert.Equal("reject listed", await policy.AskAsync("a.1", Client));
        Assert.Equal("5", policy.Last.Session["score"]);
        Assert.Equal("dunno", await policy.AskAsync("a.2", ("client_address", "192.0.2.8")));
    }

    [Theory]
    [InlineData("ann", "dunno")]
    [InlineData("eve", "reject not a user")]
    [InlineData("", "reject not a user")]
    [InlineData(null, "dunno")]
    public async Task Empty_value_is_in_no_list_and_a_missing_one_is_not_looked_up(string? user, string expected)
    {
        var folder = new TemporaryFolder();
        Fill(folder, "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ann')");
        await using var policy = new CountingPolicy(
            "{ name = l, module = SqlList, field = sasl_username, sql_query = \"SELECT 1 FROM users WHERE name=?\", "
                + "not_match_action = \"reject not a user\" }", folder);
        (string, string)[] attributes = user is null ? [Client] : [Client, ("sasl_username", user)];
        Assert.Equal(expected, await policy.AskAsync("a.1", attributes));
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("on_error = continue", "dunno")]
    public async Task Failing_query_goes_by_on_error(string onError, string? expected)
    {
        await using var policy = new CountingPolicy(
            $"{{ name = l, module = SqlList, sql_query = \"SELECT v FROM missing WHERE ip=?\", {onError} }}");
        Assert.Equal(expected, await policy.AskAsync("a.1", Client));
    }

    [Fact]
    public void Query_without_a_placeholder_is_an_error() =>
        Assert.Contains(
            "needs exactly one",
            CountingPolicy.Errors("{ name = l, module = SqlList, sql_query = \"SELECT 1\" }"),
            StringComparison.Ordinal);

    [Fact]
    public async Task Cron_deletes_old_windows_and_expired_buckets_and_leaves_what_is_another_patterns()
    {
        await using var policy = new CountingPolicy("{ name = acct, module = Accounting, fields = client_address, keep = 60d }");
        var store = policy.Model.CounterStores["db"];
        await store.PrepareAsync("acct_client_address", TestContext.Current.CancellationToken);
        var now = policy.Clock.Now.ToUnixTimeSeconds();
        string[] times = ["2026-08", "2026-09", "2026-11", "2026-01-31", "ever", $"w3600:{now - 4200:D10}", $"w3600:{now - 1800:D10}",
            // What a clock that was ahead has left: soon, and far off.
            "2027-01", "2027-02", $"w3600:{now + 1800:D10}", $"w3600:{now + (3 * 86400):D10}"];
        await store.CommitAsync(
            new CounterCommit(
                Guid.NewGuid(),
                1,
                policy.Clock.Now,
                [1],
                [.. times.Select(time => new CounterDelta("acct_client_address", "k", time, new CounterAmounts(1, 1, 1, 1)))]),
            TestContext.Current.CancellationToken);

        await policy.Model.CronAsync(["hourly", "daily"], TestContext.Current.CancellationToken);

        var left = await store.ListAsync("acct_client_address", null, CounterMetric.Count, 100, TestContext.Current.CancellationToken);
        Assert.Equal(
            new[] { "2026-09", "2026-11", "2026-01-31", "ever", times[6], "2027-01", times[9] }.Order(StringComparer.Ordinal),
            left.Select(row => row.Time).Order(StringComparer.Ordinal));
        Assert.Single(await store.RequestIdsSinceAsync(
            DateTimeOffset.UnixEpoch, new Dictionary<Guid, long>(), TestContext.Current.CancellationToken));

        // The newest commit of a server stays longer: whether it is there may be asked after a kill.
        policy.Clock.Now += TimeSpan.FromHours(3);
        await policy.Model.CronAsync(["hourly"], TestContext.Current.CancellationToken);
        Assert.Single(await store.RequestIdsSinceAsync(
            DateTimeOffset.UnixEpoch, new Dictionary<Guid, long>(), TestContext.Current.CancellationToken));
        policy.Clock.Now += TimeSpan.FromDays(31);
        await policy.Model.CronAsync(["hourly"], TestContext.Current.CancellationToken);
        Assert.Empty(await store.RequestIdsSinceAsync(
            DateTimeOffset.UnixEpoch, new Dictionary<Guid, long>(), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("%Y-%m", "2026-02", "2026-03-01 00:00:00")]
    [InlineData("%Y", "2026", "2027-01-01 00:00:00")]
    [InlineData("%F %H", "2026-02-28 23", "2026-03-01 00:00:00")]
    [InlineData("%Y%j", "2026032", "2026-02-02 00:00:00")]
    [InlineData("%G-W%V", "2026-W01", "2026-01-05 00:00:00")]
    [InlineData("%Y-%W", "2026-00", "2026-01-05 00:00:00")]
    [InlineData("%Y-%W", "2026-01", "2026-01-12 00:00:00")]
    [InlineData("%Y-%m", "2026-13", null)]
    [InlineData("%Y-%m", "2026-02-01", null)]
    public void Window_ends_when_its_text_says(string pattern, string text, string? end)
    {
        Assert.True(WindowAge.TryCreate(pattern, out var age, out _));
        Assert.Equal(end, age.EndOf(text)?.ToString("yyyy-MM-dd HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture));
    }

    private static void Fill(TemporaryFolder folder, string sql) => SqliteFile.Execute(folder["policyd.db"], sql);
}
