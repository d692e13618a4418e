using System.Globalization;
using Policyd.Actors.Clustering;
using Policyd.Plugins.Counters;
using Policyd.Tests.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>What two nodes tell an operator about each other and about their keys.</summary>
public sealed class ClusterInspectionSpecs : IAsyncLifetime
{
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ScriptedCounterStore _store = new();
    private readonly List<CounterNodeUnderTest> _nodes = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _nodes.Add(await CounterNodeUnderTest.StartInCluster(_store));
        _nodes.Add(await CounterNodeUnderTest.StartInCluster(_store, _nodes[0]));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task Both_nodes_know_the_members_the_oldest_and_what_they_are()
    {
        var first = _nodes[0].Cluster.SelfAddress.ToString();
        foreach (var node in _nodes)
        {
            await Eventually.Holds("both members to be up and the leader to be known", () =>
                node.Inspection.Picture is { Leader: not null, Members: [{ Status: "up" }, { Status: "up" }] });
            var picture = node.Inspection.Picture;
            Assert.Equal(
                _nodes.Select(static one => one.Cluster.SelfAddress.ToString()).Order(),
                picture.Members.Select(static one => one.Address));
            Assert.All(picture.Members, static one => Assert.Equal((true, "policyd"), (one.IsReachable, Assert.Single(one.Roles))));
            Assert.All(picture.Members, static one => Assert.Matches(@"^\d+\.\d+\.\d+[\w.-]*$", one.AppVersion));
            Assert.Equal(first, picture.Oldest);
            Assert.Equal((2, 2), (picture.Reached, picture.Counted));

            var standing = await node.Inspection.StandingAsync(Cancel);
            Assert.True(standing.IsWorking);
            Assert.Equal((NodeState.Member, 0), (standing.State, standing.WaitingAdds?.Count));
            Assert.Equal("db", Assert.Single(standing.Deferred).Connection);
        }
    }

    [Fact]
    public async Task Owner_of_a_key_is_the_same_whoever_is_asked_and_its_shard_is_shown()
    {
        var places = new HashSet<string>();
        for (var number = 0; number < 12; number++)
        {
            var key = Key(number);
            var seen = await Task.WhenAll(_nodes.Select(node => node.Inspection.PlaceAsync(key)));
            Assert.Equal(seen[0], seen[1]);
            Assert.False(seen[0]!.IsInMemory);
            await _nodes[number % 2].Counters.AddAsync(
                key, Month, One, MailId.Of(number.ToString(CultureInfo.InvariantCulture)), (UInt128)number, Cancel);
            seen = await Task.WhenAll(_nodes.Select(node => node.Inspection.PlaceAsync(key)));
            Assert.Equal(seen[0], seen[1]);
            Assert.True(seen[0]!.IsInMemory);
            var owner = Assert.Single(_nodes, node => node.OwnedKeys.Contains(key));
            Assert.Equal(owner.Cluster.SelfAddress.ToString(), seen[0]!.Node);
            places.Add(seen[0]!.Node!);
        }

        var shards = await Task.WhenAll(_nodes.Select(static node => node.Inspection.ShardsAsync()));
        Assert.All(shards, static one => Assert.True(one!.IsWhole));
        Assert.Equal(shards[0]!.Shards.OrderBy(static one => one.Shard), shards[1]!.Shards.OrderBy(static one => one.Shard));
        Assert.Equal(places.Order(), shards[0]!.Shards.Select(static one => one.Node).Distinct().Order());
        Assert.All(shards[0]!.Shards, static one => Assert.Equal("counters", one.Region));
    }

    [Fact]
    public async Task Member_that_is_declared_down_counts_no_more()
    {
        var picture = _nodes[0].Inspection.Picture;
        var other = picture.Members.Single(one => one.Address != picture.Self);
        _nodes[0].Inspection.Down(other);
        await Eventually.Holds(
            "the member to be down, or gone",
            () => _nodes[0].Inspection.Picture is { Counted: 1 } now && now.Find(other.Name) is null or { Status: "down" });
    }

    [Fact]
    public async Task Other_node_is_gone_and_this_one_answers_all_the_same()
    {
        var gone = _nodes[1].Cluster.SelfAddress.ToString();
        var number = 0;
        while ((await _nodes[0].Inspection.PlaceAsync(Key(number)))?.Node != gone)
        {
            Assert.True(++number < 1000, "no key on the other node");
        }

        await _nodes[1].Crash();
        var inspection = _nodes[0].InspectionWithin(TimeSpan.FromMilliseconds(300));
        var place = await Eventually.Ends("an answer without the other node", inspection.PlaceAsync(Key(number)));
        Assert.Null(place!.IsInMemory);
        var shards = await Eventually.Ends("the shards of this node", inspection.ShardsAsync());
        Assert.False(shards!.IsWhole);
        Assert.All(shards.Shards, one => Assert.Equal(_nodes[0].Cluster.SelfAddress.ToString(), one.Node));
        Assert.Equal(2, _nodes[0].Inspection.Picture.Members.Count);
        await Eventually.Holds("the adds that wait here", async () => (await inspection.StandingAsync(Cancel)).WaitingAdds is not null);
    }

    private static CounterKey Key(int number) => new("db", "acct_sender", $"u{number}@example.com");
}
