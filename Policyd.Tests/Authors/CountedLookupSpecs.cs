using CountedLookup;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Plugins.Testing;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>The sample of a lookup with a counter and a cache, tested as its author would, and once in a running server.</summary>
public sealed class CountedLookupSpecs
{
    private static readonly (string, string) Sender = ("sender", "a@example.org");

    [Fact]
    public async Task Mails_above_the_limit_of_their_domain_are_deferred()
    {
        var test = Test();
        for (var mail = 1; mail <= 3; mail++)
        {
            var outcome = await test.RunAsync(Sender, ("instance", $"m.{mail}"));
            Assert.Equal(mail <= 2 ? null : "defer your domain has sent its mails of today", outcome.Action);
        }

        Assert.Null((await test.RunAsync(("sender", "a@example.net"), ("instance", "m.4"))).Action);
        Assert.Equal(3, test.Fakes.Counters["mails_of_domain", "example.org"].Count);
        Assert.Contains("test: instance=m.3 plugin=CountedLookup: example.org: 3 of 2", test.Log);
    }

    [Fact]
    public async Task The_lookup_is_made_once_in_five_minutes_and_a_resend_is_not_counted()
    {
        var clock = new SetClock();
        var test = Test(clock);
        await test.RunAsync(Sender, ("recipient", "b@example.com"));
        await test.RunAsync(Sender, ("recipient", "c@example.com"));
        await test.RunAsync(Sender, ("instance", "m.2"));
        Assert.Equal(["sql_query: example.org"], test.Fakes.Sql.Asked);
        Assert.Equal(2, test.Fakes.Counters["mails_of_domain", "example.org"].Count);
        clock.Now += TimeSpan.FromMinutes(5);
        await test.RunAsync(Sender, ("instance", "m.3"));
        Assert.Equal(["sql_query: example.org", "sql_query: example.org"], test.Fakes.Sql.Asked);
    }

    [Fact]
    public async Task Limits_that_are_kept_in_redis_are_found_there_and_looked_up_while_it_is_away()
    {
        var test = PluginTest.For<CountedLookupPlugin>("cache = redis");
        await test.RunAsync(Sender);
        Assert.Equal(1, test.Fakes.Cache.Count);
        test.Fakes.Cache.IsAway = true;
        await test.RunAsync(Sender, ("instance", "m.2"));
        Assert.Equal(["sql_query: example.org", "sql_query: example.org"], test.Fakes.Sql.Asked);
    }

    [Fact]
    public async Task A_rehearsal_counts_nothing()
    {
        var test = Test();
        var outcome = await test.RehearseAsync(Sender);
        Assert.Contains("for example.org in mails_of_domain", Assert.Single(outcome.WouldHave), StringComparison.Ordinal);
        Assert.Equal(CounterAmounts.Zero, test.Fakes.Counters["mails_of_domain", "example.org"]);
    }

    [Fact]
    public async Task Counters_that_are_away_stop_no_mail_and_a_database_that_is_away_is_a_failure_for_a_domain_that_is_not_known()
    {
        var test = Test();
        test.Fakes.Counters.IsAway = true;
        Assert.Null((await test.RunAsync(Sender)).Action);
        test.Fakes.Sql.IsAway = true;
        Assert.Null((await test.RunAsync(Sender, ("instance", "m.2"))).Action);
        await Assert.ThrowsAsync<SqlAwayException>(() => test.RunAsync(("sender", "a@example.net"), ("instance", "m.3")));
    }

    [Theory]
    [InlineData("sql_query = \"SELECT 1\"", "options:2:13: plugin CountedLookup: sql_query: the query has 0 placeholders")]
    [InlineData("cache = other", "cache: there is no connection \"other\"")]
    [InlineData("cache_time = 0", "cache_time: must be more than 0")]
    [InlineData("db = other", "db: there is no connection \"other\"")]
    [InlineData("sql_qery = x", "options:2:1: unknown option \"sql_qery\" of plugin CountedLookup")]
    public void What_does_not_fit_is_what_the_operator_would_read(string options, string expected) => Assert.Contains(
        expected,
        Assert.Throws<PluginOptionsException>(() => PluginTest.For<CountedLookupPlugin>(options)).Message,
        StringComparison.Ordinal);

    [Fact]
    public async Task Plugin_from_its_folder_counts_in_the_server_which_knows_its_window()
    {
        using var folder = new TemporaryFolder();
        var file = folder["policyd.db"];
        SqliteFile.Execute(file, "CREATE TABLE domains (name TEXT, mails_a_day INTEGER); INSERT INTO domains VALUES ('example.org', 2)");
        var sample = Path.Combine(AppContext.BaseDirectory, "sample-sets", "counted");
        await using var server = await Actors.ServerUnderTest.StartAsync($$"""
            policyd { listen = ["127.0.0.1:0"], plugin_folder = "{{sample}}"
              connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{file}}" } }
              virtual_hosts = [ { name = t, port = "127.0.0.1:0", plugins = [ { name = daily, module = CountedLookup } ] } ] }
            """);
        await using var client = await Policyd.Protocol.PolicyClient.ConnectAsync(
            server.Endpoint, TestContext.Current.CancellationToken);
        for (var mail = 1; mail <= 3; mail++)
        {
            var request = Policyd.Protocol.PolicyRequestBuilder.AccessPolicy()
                .Add("instance", $"m.{mail}")
                .Add("sender", "a@example.org")
                .ToBytes();
            var answer = await client.AskAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(mail <= 2 ? "dunno" : "defer your domain has sent its mails of today", answer);
        }

        var table = Assert.Single(CounterCatalog.Of(server.Handle.Model));
        Assert.Equal(("mails_of_domain", "%Y-%m-%d"), (table.Table, Assert.Single(table.Windows).Name));
        Assert.Equal(3, SqliteFile.Number(file, "SELECT count FROM mails_of_domain"));
    }

    private static PluginTest<CountedLookupPlugin> Test(SetClock? clock = null)
    {
        var fakes = new PluginFakes();
        fakes.Sql.Answer("sql_query", values => values[0] is "example.org" ? [[2]] : []);
        return PluginTest.For<CountedLookupPlugin>(clock: clock ?? new SetClock(), fakes: fakes);
    }
}
