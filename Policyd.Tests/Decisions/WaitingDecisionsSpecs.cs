using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Decisions;

/// <summary>What one reader of decisions hears, and that what it does not read is bounded.</summary>
public sealed class WaitingDecisionsSpecs
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_reader_that_does_not_read_loses_the_newest_and_is_told_how_many()
    {
        using var queue = new WaitingDecisions(DecisionDepth.Steps, new DecisionFilter().Matches);
        for (var number = 0; number < WaitingDecisions.MostRecords + 7; number++)
        {
            queue.Decided(Record($"reject {number}"));
        }

        var (records, lost) = await queue.TakeAsync(Cancel).WaitAsync(Eventually.Timeout, Cancel);
        Assert.Equal((WaitingDecisions.MostRecords, 7), (records.Count, lost));
        Assert.Equal("reject 0", records[0].Action);
        queue.Decided(Record("dunno"));
        (records, lost) = await queue.TakeAsync(Cancel).WaitAsync(Eventually.Timeout, Cancel);
        Assert.Equal((1, 0), (records.Count, lost));
    }

    [Fact]
    public async Task Long_requests_are_bounded_by_their_bytes()
    {
        using var queue = new WaitingDecisions(DecisionDepth.None, new DecisionFilter().Matches);
        var large = new string('x', 60_000);
        for (var number = 0; number < 100; number++)
        {
            queue.Decided(Record("dunno", sender: large));
        }

        var (records, lost) = await queue.TakeAsync(Cancel).WaitAsync(Eventually.Timeout, Cancel);
        Assert.InRange(records.Sum(static record => (long)record.Weight), 1, WaitingDecisions.MostBytes);
        Assert.Equal(100, records.Count + lost);
        Assert.True(lost > 0);
    }

    [Fact]
    public void After_its_end_nothing_is_kept()
    {
        var queue = new WaitingDecisions(DecisionDepth.None, new DecisionFilter().Matches);
        queue.Decided(Record("dunno"));
        queue.Dispose();
        queue.Decided(Record("dunno"));
    }

    [Theory]
    [InlineData("reject no", "reject", true)]
    [InlineData("REJECT", "reject", true)]
    [InlineData("550 no", "reject", true)]
    [InlineData("550 no", "550", true)]
    [InlineData("450 later", "defer", true)]
    [InlineData("defer_if_permit later", "defer", true)]
    [InlineData("defer_if_permit later", "defer_if_permit", true)]
    [InlineData("PREPEND X-A: reject", "reject", false)]
    [InlineData("dunno", "dunno", true)]
    [InlineData("dunno", "none", false)]
    [InlineData(null, "none", true)]
    [InlineData(null, "reject", false)]
    public void An_action_is_of_a_kind(string? action, string kind, bool expected) =>
        Assert.Equal(expected, new DecisionFilter { Action = kind }.Matches(Record(action)));

    [Theory]
    [InlineData("192.0.2.0/24", true)]
    [InlineData("192.0.2.7", true)]
    [InlineData("198.51.100.0/24", false)]
    [InlineData("2001:db8::/32", false)]
    public void A_client_is_in_a_network(string network, bool expected)
    {
        var filter = new DecisionFilter();
        Assert.True(filter.TrySetClient(network));
        Assert.Equal(expected, filter.Matches(Record("dunno")));
        Assert.False(filter.TrySetClient("192.0.2"));
    }

    [Fact]
    public void All_that_is_given_must_fit()
    {
        Assert.True(new DecisionFilter { User = "BOB", Rule = "limit" }.Matches(Record("dunno")));
        Assert.False(new DecisionFilter { User = "bob", Rule = "other" }.Matches(Record("dunno")));
        Assert.False(new DecisionFilter { User = "anna" }.Matches(Record("dunno")));
    }

    private static RequestRecord Record(string? action, string sender = "a@example.net") => new()
    {
        Request = PolicyRequestBuilder.AccessPolicy()
            .Add("client_address", "192.0.2.7")
            .Add("sasl_username", "bob")
            .Add("sender", sender)
            .ToRequest(),
        Action = action,
        Plugin = "limit",
    };
}
