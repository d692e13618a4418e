using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Tests.Counters;

namespace Policyd.Tests.Plugins.Counting;

/// <summary>An answer that is not known says why, in the log and as a tag of the metrics.</summary>
public sealed class CounterReasonSpecs
{
    private const string Chain = "{ name = q, module = Quota, field = client_address, metric = count, threshold = 5 }\n"
        + "{ name = acct, module = Accounting, fields = client_address, on_error = dunno }\n";

    public static TheoryData<CounterReason, string, string> Reasons => new()
    {
        { CounterReason.Database, "database", "(database: it is unavailable)" },
        { CounterReason.Owner, "owner", "(owner: no answer in time)" },
        { CounterReason.Quorum, "quorum", "(quorum: this node is cut off from most of its cluster)" },
        { CounterReason.Spool, "spool", "(spool: the database is unavailable, and the spool takes nothing)" },
    };

    [Fact]
    public void Each_reason_has_its_own_name_and_text()
    {
        var all = Enum.GetValues<CounterReason>();
        Assert.Equal(all.Length, all.Select(CounterReasons.Name).Distinct().Count());
        Assert.Equal(all.Length, all.Select(CounterReasons.Describe).Distinct().Count());
        Assert.Equal(all.Length - 1, Reasons.Count);
    }

    [Theory]
    [MemberData(nameof(Reasons))]
    public async Task Log_and_metrics_of_a_counter_that_is_unavailable_name_the_reason(CounterReason reason, string tag, string text)
    {
        using var unknown = new MetricListener("policyd.quota.unavailable", ("reason", tag));
        using var unconfirmed = new MetricListener("policyd.accounting.unconfirmed", ("reason", tag), ("state", "unavailable"));
        await using var policy = new CountingPolicy(Chain);
        (policy.Counters.State, policy.Counters.Reason) = (CounterState.Unavailable, reason);
        await policy.AskAsync("m1", ("client_address", "192.0.2.7"), ("protocol_state", "END-OF-MESSAGE"));
        Assert.Contains(policy.Log.Lines, line => line.Message.EndsWith("the counter is unknown " + text, StringComparison.Ordinal));
        Assert.Contains(
            policy.Log.Lines, line => line.Message.EndsWith("answered before the mail was counted " + text, StringComparison.Ordinal));
        Assert.True(unknown.Sum > 0 && unconfirmed.Sum > 0);
    }

    [Fact]
    public async Task Count_that_is_deferred_names_the_reason()
    {
        using var unconfirmed = new MetricListener("policyd.accounting.unconfirmed", ("reason", "database"), ("state", "deferred"));
        await using var policy = new CountingPolicy(Chain);
        policy.Counters.State = CounterState.Deferred;
        await policy.AskAsync("m1", ("client_address", "192.0.2.7"), ("protocol_state", "END-OF-MESSAGE"));
        Assert.True(unconfirmed.Sum > 0);
    }
}
