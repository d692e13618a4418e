using Policyd.Plugins.Counters;

namespace Policyd.Tests.Plugins.Counting;

/// <summary>
/// An add whose counter has moved and is full makes the chain run again, once, from the state in which the request found it.
/// </summary>
public sealed class SecondRunSpecs
{
    private const string Score = "{ name = s, module = ScoreAction, threshold = 100, action = \"reject\" }\n";
    private const string Add = "{ name = c, module = Condition, key = helo_name, match = bad, score = 3 }\n";
    private const string Quota = "{ name = q, module = Quota, field = client_address, metric = count, threshold = 5 }\n";
    private const string Accounting = "{ name = acct, module = Accounting, fields = \"client_address, sender\" }\n"
        + "{ name = last, module = Action, action = dunno }\n";

    [Fact]
    public async Task Chain_runs_again_and_what_the_first_run_did_to_the_session_is_undone()
    {
        await using var policy = new CountingPolicy(Add + Score + Quota + Accounting);
        policy.Counters.StaleAdds = 1;
        Assert.Equal("dunno", await Ask(policy, "m1"));
        Assert.Equal(["reserve", "add", "add", "reserve", "add", "add"], Calls(policy));
        Assert.Equal("3", Assert.Single(policy.Last.Session.Scores!).Value);

        // The other field's add of the first run is known by its id.
        Assert.Equal(1, policy.Counters[CountingPolicy.Client("192.0.2.7"), "2026-11"].Count);
        Assert.Equal(1, policy.Counters[new CounterKey("db", "acct_sender", "a@example.com"), "2026-11"].Count);
        Assert.Null(policy.Last.Failure);
        Assert.Null(policy.Last.Reserved);
    }

    [Fact]
    public async Task Session_of_an_earlier_request_is_as_the_second_one_found_it()
    {
        await using var policy = new CountingPolicy(Add + Quota + Accounting);
        Assert.Equal("dunno", await Ask(policy, "m1", "good"));
        policy.Last.Session["kept"] = "1";
        policy.Last.Session.Remove("acct-acct");
        policy.Counters.StaleAdds = 1;
        Assert.Equal("dunno", await Ask(policy, "m1"));
        Assert.Equal("1", policy.Last.Session["kept"]);
        Assert.Equal("3", Assert.Single(policy.Last.Session.Scores!).Value);
    }

    [Fact]
    public async Task Quota_of_the_second_run_answers_its_action()
    {
        await using var policy = new CountingPolicy(Quota + "{ name = n, module = Condition, key = helo_name, match = bad, plugins = [ "
            + Accounting + " ] }");
        policy.Counters.StaleAdds = 1;
        policy.Counters.AfterStale = counters => counters[CountingPolicy.Client("192.0.2.7"), "2026-11"] = new CounterAmounts(5, 5, 5, 5);
        Assert.StartsWith("defer", await Ask(policy, "m1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task There_is_no_third_run()
    {
        await using var policy = new CountingPolicy(Quota + Accounting);
        policy.Counters.StaleAdds = 9;
        Assert.Null(await Ask(policy, "m1"));
        Assert.Contains("the counter was moved again", policy.Last.Failure, StringComparison.Ordinal);
        Assert.Equal(2, Calls(policy).Count(static call => call == "reserve"));
    }

    private static Task<string?> Ask(CountingPolicy policy, string instance, string helo = "bad") => policy.AskAsync(
        instance, ("client_address", "192.0.2.7"), ("sender", "a@example.com"), ("helo_name", helo), ("protocol_state", "END-OF-MESSAGE"));

    private static IEnumerable<string> Calls(CountingPolicy policy) => policy.Counters.Calls.Select(static call => call.Split(' ')[0]);
}
