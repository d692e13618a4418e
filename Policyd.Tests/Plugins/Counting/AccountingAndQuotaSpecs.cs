using Policyd.Backends.SqlCounters;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Plugins.Counting;

public sealed class AccountingAndQuotaSpecs
{
    private const string Accounting = "{ name = acct, module = Accounting, fields = \"client_address,sasl_username\" }";
    private static readonly (string, string) Client = ("client_address", "192.0.2.7");

    private static string Quota(string more = "", int threshold = 3) =>
        $"{{ name = quota, module = Quota, field = client_address, metric = count, threshold = {threshold}, {more} }}\n";

    [Fact]
    public async Task Accounting_counts_each_field_once_a_mail_and_answers_nothing()
    {
        await using var policy = new CountingPolicy(Accounting);
        for (var request = 0; request < 2; request++)
        {
            Assert.Equal(
                "dunno", await policy.AskAsync("a.1", Client, ("sasl_username", "bob"), ("recipient_count", "3"), ("size", "100")));
        }

        await policy.AskAsync("a.2", Client, ("sasl_username", ""), ("recipient_count", "0"));

        Assert.Equal(new CounterAmounts(2, 4, 100, 300), policy.Counters[CountingPolicy.Client("192.0.2.7"), "2026-11"]);
        Assert.Equal(new CounterAmounts(1, 3, 100, 300), policy.Counters[new CounterKey("db", "acct_sasl_username", "bob"), "2026-11"]);
        Assert.Equal(2, policy.Counters.Rows.Count);
    }

    [Fact]
    public async Task Request_id_is_the_same_for_a_mail_sent_again_differs_by_table_and_is_absent_without_instance()
    {
        await using var policy = new CountingPolicy(Accounting);
        await policy.AskAsync("a.1", Client, ("sasl_username", "bob"));
        await using var again = new CountingPolicy(Accounting);
        await again.AskAsync("a.1", Client, ("sasl_username", "bob"));
        await policy.AskAsync("", Client);

        // Two owners are asked side by side: which is first is nobody's promise.
        Assert.Equal(again.Counters.Ids.Order(), policy.Counters.Ids.Take(2).Order());
        Assert.Equal(2, again.Counters.Ids.Distinct().Count());
        Assert.Null(policy.Counters.Ids.Last());
    }

    [Fact]
    public async Task Quota_admits_as_many_as_the_threshold_then_defers_and_begins_anew_next_month()
    {
        await using var policy = new CountingPolicy(Quota() + Accounting);
        var answers = new List<string?>();
        for (var mail = 1; mail <= 5; mail++)
        {
            answers.Add(await policy.AskAsync($"a.{mail}", Client));
        }

        policy.Clock.Now = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        answers.Add(await policy.AskAsync("b.1", Client));

        const string full = "defer smtp traffic quota has been exceeded";
        Assert.Equal(["dunno", "dunno", "dunno", full, full, "dunno"], answers);
        Assert.Equal(0, policy.Counters.Reservations);
        Assert.Equal(3, policy.Counters[CountingPolicy.Client("192.0.2.7"), "2026-11"].Count);
    }

    [Theory]
    [InlineData("unlimited", 3, true)]
    [InlineData(" Unlimited ", 3, true)]
    [InlineData("5", 3, true)]
    [InlineData("2", 3, false)]
    [InlineData("unlimitedly", 3, false)]
    [InlineData("Infinity", 3, false)]
    [InlineData("", 3, false)]
    public async Task Users_limit_may_be_a_number_or_unlimited_and_all_else_leaves_the_quotas_own(string limit, int mails, bool isAdmitted)
    {
        var set = $"{{ name = set, module = SetField, key = limit, value = \"{limit}\" }}\n";
        await using var policy = new CountingPolicy(set + Quota("uc_threshold = limit", threshold: 3) + Accounting);
        for (var mail = 1; mail <= mails; mail++)
        {
            await policy.AskAsync($"a.{mail}", Client);
        }

        Assert.Equal(isAdmitted, await policy.AskAsync("a.last", Client) == "dunno");
        Assert.Equal(
            limit is "unlimitedly" or "Infinity" or "", policy.Log.Containing("is not a valid value of the option threshold").Any());
    }

    [Fact]
    public void Threshold_that_is_neither_a_number_nor_unlimited_is_an_error() =>
        Assert.Contains(
            "threshold: expected a number or unlimited, found \"infinite\"",
            CountingPolicy.Errors("{ name = quota, module = Quota, field = client_address, metric = count, threshold = infinite }"),
            StringComparison.Ordinal);

    [Fact]
    public async Task Quota_admits_exactly_the_threshold_of_a_hundred_at_once()
    {
        await using var policy = new CountingPolicy(Quota(threshold: 40) + Accounting);
        var hosts = policy.Model.VirtualHosts[0];
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(async mail =>
        {
            var request = Policyd.Protocol.PolicyRequestBuilder.AccessPolicy()
                .Add("instance", $"c.{mail}")
                .Add("client_address", "192.0.2.7")
                .ToRequest();
            return (await hosts.RunAsync(request, new Policyd.Plugins.Sessions.Session(), TimeSpan.FromSeconds(20))).Action;
        }));

        Assert.Equal(40, answers.Count(action => action == "dunno"));
    }

    [Fact]
    public async Task Mail_that_filled_the_quota_is_let_in_when_it_is_asked_again_but_its_next_recipient_is_not()
    {
        await using var policy = new CountingPolicy(Quota(threshold: 2) + Accounting);
        (string, string)[] first = [Client, ("protocol_state", "RCPT"), ("recipient", "a@example.com")];
        (string, string)[] next = [Client, ("protocol_state", "RCPT"), ("recipient", "b@example.com")];
        Assert.Equal("dunno", await policy.AskAsync("a.1", first));
        Assert.Equal("dunno", await policy.AskAsync("a.2", first));
        Assert.Equal("dunno", await policy.AskAsync("a.2", first));
        Assert.StartsWith("defer", await policy.AskAsync("a.2", next), StringComparison.Ordinal);
        Assert.StartsWith("defer", await policy.AskAsync("a.3", first), StringComparison.Ordinal);
        policy.ForgetSessions();
        Assert.Equal("dunno", await policy.AskAsync("a.2", first));
        Assert.Equal(2, policy.Counters.Rows.Sum(row => policy.Counters[row.Key, row.Time].Count));
    }

    [Fact]
    public async Task Further_recipients_of_a_mail_that_is_counted_take_no_place_beside_its_count()
    {
        await using var policy = new CountingPolicy(Quota() + Accounting);
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client, ("recipient", "a@example.com")));
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client, ("recipient", "b@example.com")));
        Assert.Equal(0, policy.Counters.Reservations);
    }

    [Fact]
    public async Task Quota_reserves_only_where_an_Accounting_writes_and_the_outcome_says_where()
    {
        await using var both = new CountingPolicy(Quota() + "{ name = stop, module = Action, action = \"reject no\" }\n" + Accounting);
        await both.AskAsync("a.1", Client);
        Assert.Equal([CountingPolicy.Client("192.0.2.7")], both.Last.Reserved);
        Assert.Contains("reserve acct_client_address 192.0.2.7", both.Counters.Calls);

        await using var alone = new CountingPolicy(Quota());
        await alone.AskAsync("a.1", Client);
        Assert.Null(alone.Last.Reserved);
        Assert.Equal(["read acct_client_address 192.0.2.7"], alone.Counters.Calls);
        Assert.Equal([new CounterTableUse("db", "acct_client_address", false)], alone.Model.CounterTables);
        Assert.Equal("db", Assert.Single(alone.Model.CounterStores).Key);
    }

    [Fact]
    public async Task What_the_same_request_counted_needs_no_release()
    {
        await using var policy = new CountingPolicy(Quota() + Accounting);
        await policy.AskAsync("a.1", Client);
        Assert.Null(policy.Last.Reserved);
        Assert.Equal(0, policy.Counters.Reservations);
    }

    [Fact]
    public async Task A_reservation_in_a_window_that_the_request_did_not_count_into_is_still_to_be_released()
    {
        await using var policy = new CountingPolicy(Quota()
            + "{ name = daily, module = Quota, field = client_address, metric = count, threshold = 9, time_pattern = \"%Y-%m-%d\" }\n"
            + Accounting);
        await policy.AskAsync("a.1", Client);
        Assert.Equal([CountingPolicy.Client("192.0.2.7")], policy.Last.Reserved);
    }

    [Fact]
    public async Task A_failed_request_says_what_it_reserved()
    {
        await using var policy = new CountingPolicy(
            Quota() + "{ name = proxy, module = Proxy, socket_path = \"/nonexistent/s\" }\n" + Accounting);
        Assert.Null(await policy.AskAsync("a.1", Client));
        Assert.NotNull(policy.Last.Failure);
        Assert.Single(policy.Last.Reserved!);
    }

    [Theory]
    [InlineData("count", 2)]
    [InlineData("count_rcpt", 6)]
    [InlineData("size", 200)]
    [InlineData("size_rcpt", 600)]
    public async Task Each_metric_refuses_at_its_own_sum(string metric, int full)
    {
        foreach (var (threshold, action) in new[] { (full, "reject full"), (full + 1, "dunno") })
        {
            await using var policy = new CountingPolicy(
                $"{{ name = q, module = Quota, field = client_address, metric = {metric}, threshold = {threshold}, action = "
                    + $"\"reject full\" }}\n{Accounting}");
            string? last = null;
            for (var mail = 1; mail <= 3; mail++)
            {
                last = await policy.AskAsync($"a.{mail}", Client, ("recipient_count", "3"), ("size", "100"));
            }

            Assert.Equal(action, last);
        }
    }

    [Fact]
    public async Task User_settings_stand_before_threshold_metric_field_action_and_enabled()
    {
        const string uc = "uc_threshold = t, uc_metric = m, uc_field = f, uc_action = a, uc_enabled = e";
        await using var policy = new CountingPolicy(
            "{ name = t, module = SetField, key = t, value = 10 }, { name = m, module = SetField, key = m, value = size_rcpt }, { name = "
            + "f, module = SetField, key = f, value = sasl_username },"
            + "{ name = a, module = SetField, key = a, value = \"reject yours\" },"
            + Quota(uc) + Accounting);
        policy.Counters[new CounterKey("db", "acct_sasl_username", "bob"), "2026-11"] = new CounterAmounts(0, 0, 0, 10);
        Assert.Equal("reject yours", await policy.AskAsync("a.1", Client, ("sasl_username", "bob")));

        await using var off = new CountingPolicy("{ name = e, module = SetField, key = e, value = off }," + Quota(uc, 0)
            + "{ name = acct, module = Accounting, fields = client_address, uc_enabled = e }");
        Assert.Equal("dunno", await off.AskAsync("a.1", Client));
        Assert.Empty(off.Counters.Calls);
    }

    [Fact]
    public async Task Nested_chain_runs_instead_of_the_default_action_only()
    {
        const string nested = "plugins = [ { name = inner, module = Action, action = \"reject nested\" } ]";
        await using var chain = new CountingPolicy(Quota(nested, 0));
        Assert.Equal("reject nested", await chain.AskAsync("a.1", Client));
        await using var own = new CountingPolicy(Quota("action = \"reject own\", " + nested, 0));
        Assert.Equal("reject own", await own.AskAsync("a.1", Client));
    }

    [Fact]
    public async Task Observing_quota_logs_and_lets_pass()
    {
        await using var policy = new CountingPolicy(Quota("mode = observe", 0));
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client));
        Assert.Contains(policy.Log.Containing("would answer"), line => line.Contains("0 of 0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Warning_comes_once_a_window_and_key()
    {
        await using var policy = new CountingPolicy(Quota("warn_at = 0.5", 4) + Accounting);
        for (var mail = 1; mail <= 4; mail++)
        {
            await policy.AskAsync($"a.{mail}", Client);
        }

        Assert.Single(policy.Log.Containing("192.0.2.7: 2 of 4"));
        Assert.Empty(policy.Log.Containing("192.0.2.7: 3 of 4"));
        policy.Clock.Now += TimeSpan.FromDays(30);
        for (var mail = 1; mail <= 3; mail++)
        {
            await policy.AskAsync($"b.{mail}", Client);
        }

        Assert.Equal(2, policy.Log.Containing("192.0.2.7: 2 of 4").Count());
    }

    [Theory]
    [InlineData("", "dunno")]
    [InlineData("when_unavailable = \"defer later\"", "defer later")]
    [InlineData("when_unavailable = \"defer later\", mode = observe", "dunno")]
    public async Task Unavailable_counters_go_by_when_unavailable(string option, string expected)
    {
        await using var policy = new CountingPolicy(Quota(option, 0));
        policy.Counters.State = CounterState.Unavailable;
        Assert.Equal(expected, await policy.AskAsync("a.1", Client));
    }

    // The second: the chain does not watch over these two, so that they themselves must end before their time is over.
    [Theory]
    [InlineData("wait = 50ms")]
    [InlineData("timeout = 4s")]
    public async Task Counters_that_hang_are_waited_for_only_so_long_and_the_mail_goes_on(string timeout)
    {
        await using var policy = new CountingPolicy(
            Quota(timeout) + $"{{ name = acct, module = Accounting, fields = client_address, {timeout} }}");
        policy.Counters.Hangs = true;
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client));
        Assert.Null(policy.Last.Failure);
        Assert.Single(policy.Last.Reserved!); // the owner may have reserved all the same
    }

    [Fact]
    public async Task Model_without_a_server_answers_unavailable_until_counters_are_attached()
    {
        var model = CountingPolicy.Build(Quota("when_unavailable = \"defer later\"", 0), out var diagnostics)!;
        await using var owned = model.ServerConnections;
        Assert.False(diagnostics.HasErrors);
        var request = Policyd.Protocol.PolicyRequestBuilder.AccessPolicy().Add("client_address", "192.0.2.7").ToRequest();
        var session = new Policyd.Plugins.Sessions.Session();
        Assert.Equal("defer later", (await model.VirtualHosts[0].RunAsync(request, session, TimeSpan.FromSeconds(20))).Action);
        model.CounterGateway!.Attach(new Support.InMemoryCounters());
        Assert.Equal(
            "defer smtp traffic quota has been exceeded",
            (await model.VirtualHosts[0].RunAsync(request, session, TimeSpan.FromSeconds(20))).Action);
    }

    [Fact]
    public async Task Rolling_window_forgets_what_is_older_than_it()
    {
        const string rolling = "window = 1h";
        await using var policy = new CountingPolicy(
            Quota(rolling, 2) + $"{{ name = acct, module = Accounting, fields = client_address, {rolling} }}");
        Assert.Equal("dunno", await policy.AskAsync("a.1", Client));
        policy.Clock.Now += TimeSpan.FromMinutes(40);
        Assert.Equal("dunno", await policy.AskAsync("a.2", Client));
        Assert.StartsWith("defer", await policy.AskAsync("a.3", Client), StringComparison.Ordinal);
        policy.Clock.Now += TimeSpan.FromMinutes(22);
        Assert.Equal("dunno", await policy.AskAsync("a.4", Client));
    }

    [Fact]
    public async Task Warning_of_a_rolling_window_comes_again_when_its_length_has_gone_by()
    {
        await using var policy = new CountingPolicy(
            Quota("window = 1h, warn_at = 0.5", 2) + "{ name = acct, module = Accounting, fields = client_address, window = 1h }");
        for (var mail = 1; mail <= 4; mail++)
        {
            await policy.AskAsync($"a.{mail}", Client);
            policy.Clock.Now += TimeSpan.FromMinutes(1);
        }

        Assert.Single(policy.Log.Containing("192.0.2.7: 1 of 2"));
        policy.Clock.Now += TimeSpan.FromHours(2);
        await policy.AskAsync("b.1", Client);
        await policy.AskAsync("b.2", Client);
        Assert.Equal(2, policy.Log.Containing("192.0.2.7: 1 of 2").Count());
    }

    [Fact]
    public async Task A_users_own_field_reserves_too_where_an_Accounting_writes_its_table()
    {
        await using var policy = new CountingPolicy("{ name = f, module = SetField, key = f, value = sasl_username },"
            + Quota("uc_field = f") + "{ name = stop, module = Action, action = \"reject no\" }\n" + Accounting);
        await policy.AskAsync("a.1", Client, ("sasl_username", "bob"));
        Assert.Equal([new CounterKey("db", "acct_sasl_username", "bob")], policy.Last.Reserved);
    }

    [Theory]
    [InlineData("%{sasl_username}", "bob")]
    [InlineData("%{sender}", "ann@example.com")]
    [InlineData("%{sender_domain}", "example.com")]
    [InlineData("%{client_address/24/64}", "192.0.2.0/24")]
    [InlineData("100%: %{sender_domain}|%{sasl_username}", "100%: example.com|bob")]
    [InlineData("%{recipient_domain}", null)]
    [InlineData("x %{recipient}", null)]
    public async Task Key_template_makes_the_key(string template, string? key)
    {
        await using var policy = new CountingPolicy($"{{ name = acct, module = Accounting, fields = by_key, key = \"{template}\" }}");
        await policy.AskAsync("a.1", Client, ("sasl_username", "Bob"), ("sender", "Ann@Example.COM"));
        Assert.Equal(key is null ? [] : [new CounterKey("db", "acct_by_key", key)], policy.Counters.Rows.Select(row => row.Key));
    }

    [Theory]
    [InlineData("2001:db8:1:2:3::4", "2001:db8:1:2::/64")]
    [InlineData("::ffff:192.0.2.200", "192.0.2.0/24")]
    [InlineData("unknown", "unknown")]
    public async Task Network_of_an_address_is_its_key(string address, string key)
    {
        await using var policy = new CountingPolicy(
            "{ name = acct, module = Accounting, fields = net, key = \"%{client_address/24/64}\" }");
        await policy.AskAsync("a.1", ("client_address", address));
        Assert.Equal(key, Assert.Single(policy.Counters.Rows).Key.Key);
    }

    [Theory]
    [InlineData("fields = \"a b\"", "is not a valid table name")]
    [InlineData("fields = client_address, table_prefix = \"1-\"", "is not a valid table name")]
    [InlineData("fields = client_address, db = other", "there is no connection \"other\"; available: db")]
    [InlineData("fields = client_address, db = cache", "has module = Memcached")]
    [InlineData("fields = client_address, window = 1h, time_pattern = \"%Y\"", "exclude each other")]
    [InlineData("fields = client_address, keep = 90d, time_pattern = \"%m\"", "\" repeat")]
    [InlineData("fields = \"client_address,sender\", key = \"%{sender}\"", "name only one field")]
    [InlineData("fields = x, key = \"%{sendr}\"", "did you mean sender?")]
    [InlineData("fields = x, key = \"%{client_address/33/64}\"", "at most 32 and 128")]
    [InlineData("fields = x, key = \"%{client_address/24\\u0000}\"", "at most 32 and 128")]
    [InlineData("fields = x, key = \"fixed\"", "would have the same key")]
    public void Wrong_option_is_an_error_with_its_place(string options, string expected)
    {
        var errors = CountingPolicy.Errors($"{{ name = acct, module = Accounting, {options} }}");
        Assert.Contains(expected, errors, StringComparison.Ordinal);
        Assert.Contains("test.hocon", errors, StringComparison.Ordinal);
    }
}
