using Policyd.Plugins.Counters;

namespace Policyd.Tests.Plugins.Counting;

/// <summary>Quotas that stand together are asked together, and answer as if each had been asked in its turn.</summary>
public sealed class QuotasTogetherSpecs(ITestOutputHelper output)
{
    private const string Nothing = "{ name = between, module = Condition, key = helo_name, match = never, action = dunno }\n";
    private const string Accounting = "{ name = acct, module = Accounting, fields = \"client_address, sender\" }\n"
        + "{ name = last, module = Action, action = dunno }\n";

    [Fact]
    public async Task Two_quotas_and_an_accounting_of_two_fields_are_two_phases()
    {
        await using var policy = new CountingPolicy(Quota("a", "client_address", 9) + Quota("b", "sender", 9) + Accounting);
        Assert.Equal("dunno", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));
        Assert.Equal([2, 2], policy.Counters.Phases);
        Assert.Equal(0, policy.Counters.Reservations);
    }

    [Fact]
    public async Task Quota_that_refuses_gives_back_what_those_behind_it_have_reserved()
    {
        await using var policy = new CountingPolicy(Quota("a", "client_address", 1) + Quota("b", "sender", 9) + Accounting);
        Assert.Equal("dunno", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));
        Assert.Equal("reject a", await Ask(policy, "m2", "192.0.2.7", "b@example.com"));
        Assert.Equal(0, policy.Counters.Reservations);
        Assert.Null(policy.Last.Reserved);
    }

    [Fact]
    public async Task Quota_that_refuses_leaves_what_an_earlier_request_of_the_mail_has_reserved()
    {
        await using var policy = new CountingPolicy(
            Quota("a", "client_address", 2) + Quota("b", "sender", 9)
                + "{ name = later, module = Condition, key = protocol_state, match = RCPT, action = dunno }\n" + Accounting);
        Assert.Equal("dunno", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));
        Assert.Equal(2, policy.Counters.Reservations);
        policy.Counters[CountingPolicy.Client("192.0.2.7"), "2026-11"] = new CounterAmounts(2, 2, 2, 2);
        Assert.Equal("reject a", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));
        Assert.Equal(2, policy.Counters.Reservations);
    }

    [Fact]
    public async Task Quota_behind_a_nested_chain_that_went_on_asks_for_itself_with_what_that_chain_set()
    {
        await using var policy = new CountingPolicy(
            "{ name = a, module = Quota, field = client_address, metric = count, threshold = 0, plugins = [ "
                + "{ name = set, module = SetField, key = b_limit, value = 0 } ] }\n"
                + "{ name = b, module = Quota, field = sender, metric = count, threshold = 9, uc_threshold = b_limit, "
                + "action = \"reject b\" }\n"
                + Accounting);
        Assert.Equal("reject b", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));

        // Both, whether the first is counted already, the second anew, and whether that is counted.
        Assert.Equal([2, 1, 1, 1], policy.Counters.Phases);
    }

    [Fact]
    public async Task Options_of_a_user_that_are_none_are_told_once()
    {
        await using var policy = new CountingPolicy(
            "{ name = set, module = SetField, key = b_limit, value = many }\n" + Quota("a", "client_address", 9)
                + "{ name = b, module = Quota, field = sender, metric = count, threshold = 9, uc_threshold = b_limit }\n" + Accounting);
        Assert.Equal("dunno", await Ask(policy, "m1", "192.0.2.7", "a@example.com"));
        Assert.Single(policy.Log.Lines, line => line.Message.Contains("b_limit", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Answers_counts_and_reservations_are_those_of_quotas_that_are_asked_one_by_one()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var walk = 0; walk < 20; walk++)
        {
            string[] quotas =
            [
                Quota("a", "client_address", random.Next(1, 5)), Quota("b", "sender", random.Next(1, 5)),
                Quota("c", "client_address", random.Next(1, 40), metric: "size", more: ", time_pattern = \"%Y\"")
            ];
            await using var together = new CountingPolicy(string.Concat(quotas) + Accounting);
            await using var apart = new CountingPolicy(string.Join(Nothing, quotas) + Accounting);
            for (var mail = 0; mail < 25; mail++)
            {
                var (instance, client, sender) = ($"m{random.Next(12)}", $"192.0.2.{random.Next(3)}", $"{random.Next(3)}@example.com");
                var answer = await Ask(apart, instance, client, sender);
                Assert.True(answer == await Ask(together, instance, client, sender), $"seed {seed}, walk {walk}, mail {mail}");
                Assert.Equal(apart.Counters.Reservations, together.Counters.Reservations);
                Assert.Equal(apart.Last.Reserved?.Count, together.Last.Reserved?.Count);
            }

            foreach (var (key, time) in apart.Counters.Rows)
            {
                Assert.Equal(apart.Counters[key, time], together.Counters[key, time]);
            }
        }
    }

    private static string Quota(string name, string field, int threshold, string metric = "count", string more = "") =>
        $"{{ name = {name}, module = Quota, field = {field}, metric = {metric}, threshold = {threshold}, "
            + $"action = \"reject {name}\"{more} }}\n";

    private static Task<string?> Ask(CountingPolicy policy, string instance, string client, string sender) => policy.AskAsync(
        instance,
        ("client_address", client),
        ("sender", sender),
        ("size", "7"),
        ("recipient", "r@example.com"),
        ("protocol_state", "RCPT"));
}
