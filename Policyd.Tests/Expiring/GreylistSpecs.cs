using Policyd.Engine.Model;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Expiring;

/// <summary>Greylist and Honeypot through a chain, with a clock that the test sets.</summary>
public sealed class GreylistSpecs : IAsyncDisposable
{
    private const string Greylist = "{ name = grey, module = Greylist, score = -5 }";
    private readonly TemporaryFolder _folder = new();
    private readonly SetClock _clock = new();
    private readonly List<PolicyUnderTest> _policies = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var policy in _policies)
        {
            await policy.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Theory]
    [InlineData("")]
    [InlineData("ticket { module = Sql }, ")]
    public async Task Who_comes_again_after_the_wait_passes(string ticket)
    {
        var host = Host($"{{ name = grey, module = Greylist, {ticket} score = -5 }}");
        Assert.Equal("defer greylisting is active", await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(100);
        Assert.Equal("defer greylisting is active (200s left)", await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(200);
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Equal("grey=-5", host.Session["score_detail"]);
    }

    [Theory]
    [InlineData("redirect a@b.example")]
    [InlineData("filter smtp:mx.example")]
    [InlineData("permit_mynetworks")]
    public async Task Wait_is_not_told_behind_an_action_that_takes_no_text(string action)
    {
        var host = Host($"{{ name = grey, module = Greylist, defer_message = \"{action}\" }}");
        Assert.Equal(action, await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(100);
        Assert.Equal(action, await AskAsync(host));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ticket { module = Sql }, ")]
    public async Task Who_came_before_the_clock_was_put_back_waits_no_longer_than_others(string ticket)
    {
        var host = Host($"{{ name = grey, module = Greylist, {ticket} score = -5 }}");
        Assert.Equal("defer greylisting is active", await AskAsync(host));
        _clock.Put(_clock.Now.AddYears(-1));
        Assert.Equal("defer greylisting is active (300s left)", await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal("dunno", await AskAsync(host));
    }

    [Theory]
    [InlineData("", "a@example.com")]
    [InlineData("", "")]
    [InlineData("ticket { module = Sql }, ", "a@example.com")]
    [InlineData("ticket { module = Sql }, ", "")]
    public async Task Who_has_passed_is_remembered_for_so_long_after_each_mail(string ticket, string sender)
    {
        var host = Host($"{{ name = grey, module = Greylist, {ticket} use_autowl = off, query_autowl = off, remember = 35d }}");
        Assert.StartsWith("defer", await AskAsync(host, sender: sender), StringComparison.Ordinal);
        _clock.Now += TimeSpan.FromSeconds(301);

        // At once again, since the connection broke before DATA; then twice within 35 days; with a clock that was put back; and too late.
        Assert.Equal("dunno", await AskAsync(host, sender: sender));
        Assert.Equal("dunno", await AskAsync(host, sender: sender));
        _clock.Now += TimeSpan.FromDays(34);
        Assert.Equal("dunno", await AskAsync(host, sender: sender));
        _clock.Now += TimeSpan.FromDays(34);
        Assert.Equal("dunno", await AskAsync(host, sender: sender));
        _clock.Now -= TimeSpan.FromDays(2);
        Assert.Equal("dunno", await AskAsync(host, sender: sender));
        Assert.StartsWith("defer", await AskAsync(host, sender: sender, recipient: "other@example.org"), StringComparison.Ordinal);
        Assert.StartsWith("defer", await AskAsync(host, sender: sender, client: "192.0.2.8"), StringComparison.Ordinal);
        _clock.Now += TimeSpan.FromDays(36);
        Assert.StartsWith("defer", await AskAsync(host, sender: sender), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "prvs=0002abcdef=ann@example.com", "bob@example.org", "defer greylisting is active")]
    [InlineData("leave_out = batv, ", "prvs=0002abcdef=ann@example.com", "bob@example.org", "dunno")]
    [InlineData("leave_out = \"batv, srs\", ", "SRS0=Hx1y=TT=example.com=ann@forwarder.example", "bob@example.org", "dunno")]
    [InlineData("leave_out = [batv, extension], recipient_delimiter = \"+-\", ", "ann-shop@example.com", "bob+list@example.org", "dunno")]
    [InlineData("leave_out = batv, ", "ann+shop@example.com", "bob@example.org", "defer greylisting is active")]
    public async Task Sender_with_another_tag_in_each_mail_waits_once_where_tags_are_left_out(
        string options, string sender, string recipient, string answer)
    {
        var host = Host($"{{ name = grey, module = Greylist, {options} use_autowl = off, query_autowl = off }}");
        await AskAsync(host, sender: "prvs=0001abcdef=ann@example.com", recipient: "bob@example.org");
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal(answer, await AskAsync(host, sender: sender, recipient: recipient));
    }

    [Fact]
    public async Task Without_remember_who_has_passed_waits_again_as_in_mtpolicyd()
    {
        var host = Host("{ name = grey, module = Greylist, use_autowl = off, query_autowl = off }");
        await AskAsync(host);
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Equal("defer greylisting is active", await AskAsync(host));
    }

    [Fact]
    public async Task Who_comes_too_late_begins_anew()
    {
        var host = Host(Greylist);
        await AskAsync(host);
        _clock.Now += TimeSpan.FromSeconds(7201);
        Assert.Equal("defer greylisting is active", await AskAsync(host));
    }

    [Fact]
    public async Task Three_passes_put_a_client_and_a_domain_on_the_auto_whitelist()
    {
        var host = Host(Greylist);
        for (var mail = 0; mail < 3; mail++)
        {
            Assert.StartsWith("defer", await AskAsync(host, recipient: $"b{mail}@example.org"), StringComparison.Ordinal);
            _clock.Now += TimeSpan.FromSeconds(301);
            Assert.Equal("dunno", await AskAsync(host, recipient: $"b{mail}@example.org"));
        }

        Assert.Equal("dunno", await AskAsync(host, sender: "other@EXAMPLE.com", recipient: "new@example.org"));
        Assert.StartsWith("defer", await AskAsync(host, client: "192.0.2.8", recipient: "new@example.org"), StringComparison.Ordinal);
        _clock.Now += TimeSpan.FromDays(61);
        Assert.StartsWith("defer", await AskAsync(host, recipient: "later@example.org"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_only_lets_new_mail_go_on_and_defers_who_has_a_ticket_that_is_too_young()
    {
        var host = Host("""
            { name = first, module = Greylist, create_ticket = 0, query_autowl = 0 }
            { name = bad, module = Condition, key = helo_name, match = bad, plugins = [ { name = second, module = Greylist } ] }
            """);
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Equal("defer greylisting is active", await AskAsync(host, helo: "bad"));
        Assert.Equal("defer greylisting is active (300s left)", await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(300);

        // The first takes the ticket; the second must not ask the same mail for another.
        Assert.Equal("dunno", await AskAsync(host, helo: "bad"));
    }

    [Fact]
    public async Task Several_in_a_chain_score_once()
    {
        var host = Host("{ name = first, module = Greylist, score = -1 }, { name = second, module = Greylist, score = -5 }");
        await AskAsync(host);
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Equal("first=-1", host.Session["score_detail"]);
    }

    [Fact]
    public async Task Prefixes_take_a_network_for_one_client()
    {
        var host = Host("{ name = grey, module = Greylist, prefix_ipv4 = 24, prefix_ipv6 = 64 }");
        await AskAsync(host);
        await AskAsync(host, client: "2001:db8::1");
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal("dunno", await AskAsync(host, client: "192.0.2.99"));
        Assert.Equal("dunno", await AskAsync(host, client: "2001:db8::2"));
        Assert.StartsWith("defer", await AskAsync(host, client: "192.0.3.7"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("enabled = off", "dunno")]
    [InlineData("defer_message = \"defer come back\", append_waittime = 0", "defer come back")]
    [InlineData("use_autowl = 0", "defer greylisting is active")]
    public async Task Options_do_what_they_say(string options, string answer) =>
        Assert.Equal(answer, await AskAsync(Host("{ name = grey, module = Greylist, " + options + " }")));

    [Fact]
    public async Task A_bounce_is_greylisted_and_counts_for_no_domain()
    {
        var host = Host(Greylist);
        Assert.StartsWith("defer", await AskAsync(host, sender: ""), StringComparison.Ordinal);
        _clock.Now += TimeSpan.FromSeconds(301);
        Assert.Equal("dunno", await AskAsync(host, sender: ""));
    }

    [Fact]
    public async Task A_database_that_cannot_be_opened_lets_mail_go_on()
    {
        var host = Host(
            "{ name = grey, module = Greylist, ticket { module = Sql } }", $"dbi:SQLite:dbname={_folder["no-such-folder"]}/x.db");
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Contains(host.Log.Lines, line => line.Message.Contains("goes on without greylisting", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tasks_of_the_hour_delete_what_has_run_out()
    {
        var host = Host("{ name = grey, module = Greylist, ticket { module = Sql } }");
        await AskAsync(host);
        _clock.Now += TimeSpan.FromDays(1);
        Assert.Equal(0, await host.Model.CronAsync(["hourly"], TestContext.Current.CancellationToken));
        await using var connection = await host.Model.Sql.Database("db").OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM policyd_expiring";
        Assert.Equal(0L, await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("ticket { min_retry_wait = 2h, max_retry_wait = 1h }", "otherwise no client ever passes")]
    [InlineData("ticket { module = Sqll }", "Sql")]
    [InlineData("ticket { module = Sql, db = other }", "no connection \"other\"")]
    [InlineData("prefix_ipv4 = 33", "prefix_ipv4")]
    [InlineData("remember = -1", "remember")]
    public void A_mistake_is_an_error(string options, string part)
    {
        Assert.Null(PolicyUnderTest.Build(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ { module = Greylist, " + options + " } ] } ] }", out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData(", store = Sql")]
    public async Task A_trapped_client_is_rejected_until_its_time_has_run_out(string store)
    {
        var host = Host(
            "{ name = pot, module = Honeypot, recipients = \"trap@example.org\", recipients_re = [\"^nobody[0-9]+@\"]" + store + " }");
        Assert.Equal("dunno", await AskAsync(host));
        Assert.Equal("reject trapped by honeypod", await AskAsync(host, recipient: "Trap@example.org"));
        Assert.Equal("reject trapped by honeypod", await AskAsync(host));
        Assert.Equal("dunno", await AskAsync(host, client: "192.0.2.8"));
        Assert.Equal("reject trapped by honeypod", await AskAsync(host, client: "192.0.2.8", recipient: "nobody7@example.org"));
        _clock.Now += TimeSpan.FromSeconds(7201);
        Assert.Equal("dunno", await AskAsync(host));
    }

    [Theory]
    [InlineData("")]
    [InlineData(", store = Sql")]
    public async Task Each_mail_to_a_trap_begins_the_time_anew(string store)
    {
        var host = Host("{ name = pot, module = Honeypot, expire = 100s, recipients = \"trap@example.org\"" + store + " }");
        await AskAsync(host, recipient: "trap@example.org");
        _clock.Now += TimeSpan.FromSeconds(70);
        await AskAsync(host, recipient: "trap@example.org");
        _clock.Now += TimeSpan.FromSeconds(70);
        Assert.Equal("reject trapped by honeypod", await AskAsync(host));
        _clock.Now += TimeSpan.FromSeconds(31);
        Assert.Equal("dunno", await AskAsync(host));
    }

    [Theory]
    [InlineData("unknown")]
    [InlineData("")]
    public async Task Client_without_an_address_is_rejected_for_its_own_mail_and_traps_no_other(string client)
    {
        var host = Host("{ name = pot, module = Honeypot, recipients = \"trap@example.org\" }");
        Assert.Equal("reject trapped by honeypod", await AskAsync(host, client: client, recipient: "trap@example.org"));
        Assert.Equal("dunno", await AskAsync(host, client: client));
    }

    [Theory]
    [InlineData("2001:DB8:0::1")]
    [InlineData("2001:db8::1")]
    public async Task Trapped_client_is_known_however_its_address_is_written(string client)
    {
        var host = Host("{ name = pot, module = Honeypot, recipients = \"trap@example.org\" }");
        Assert.Equal("reject trapped by honeypod", await AskAsync(host, client: client, recipient: "trap@example.org"));
        Assert.Equal("reject trapped by honeypod", await AskAsync(host, client: "2001:db8:0:0::1"));
    }

    [Fact]
    public async Task A_passive_honeypot_scores_and_runs_its_chain()
    {
        var host = Host(
            "{ name = pot, module = Honeypot, mode = passive, score = 7, recipients = \"trap@example.org\", plugins = [ { name = tag, "
                + "module = AddScoreHeader } ] }");
        Assert.Equal("PREPEND X-MtScore: YES score=7 [pot=7]", await AskAsync(host, recipient: "trap@example.org"));
    }

    private PolicyUnderTest Host(string plugins, string? dsn = null)
    {
        var policy = PolicyUnderTest.Of(
            $"policyd {{ connections {{ db {{ module = Sql, dsn = \"{dsn ?? "dbi:SQLite:dbname=" + _folder["grey.db"]}\" }} }}, "
                + $"virtual_hosts = [ {{ name = test, port = 12345, plugins = [ {plugins} ] }} ] }}",
            new ModelEnvironment { Clock = _clock });
        policy.Timeout = TimeSpan.FromSeconds(60);
        _policies.Add(policy);
        return policy;
    }

    // Each is a mail of its own.
    private static Task<string?> AskAsync(
        PolicyUnderTest policy,
        string client = "192.0.2.7",
        string sender = "a@example.com",
        string recipient = "b@example.org",
        string helo = "good")
    {
        policy.NewMail();
        return policy.AskAsync(("client_address", client), ("sender", sender), ("recipient", recipient), ("helo_name", helo));
    }
}
