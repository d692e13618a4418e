using Akka.Cluster;
using Policyd.Actors.Clustering;
using Policyd.Actors.Counters;
using Policyd.Actors.Inspection;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.Commands;

namespace Policyd.Tests.Clustering;

/// <summary>What an operator is shown of a cluster, from values alone.</summary>
public sealed class ClusterPictureSpecs
{
    private static readonly ClusterPicture s_three = new(
        "akka.tcp://policyd@a:1",
        [Member("a:1", "up"), Member("b:1", "leaving", isReachable: false), Member("c:1", "down", isReachable: false)],
        "akka.tcp://policyd@a:1",
        "akka.tcp://policyd@b:1");

    [Fact]
    public void Members_are_lines_as_pbm_prints_them()
    {
        Assert.Equal(
            """
            akka.tcp://policyd@a:1 | [policyd] | up |  | 0.1.0
            akka.tcp://policyd@b:1 | [policyd] | leaving | unreachable | 0.1.0
            akka.tcp://policyd@c:1 | [policyd] | down | unreachable | 0.1.0
            Count: 3 nodes
            """,
            Printed(view => view.Write(ShowReport.Of(s_three))));
        Assert.Equal("Count: 0 nodes", Printed(view => view.Write(ShowReport.Of(s_three with { Members = [] }))));
    }

    [Fact]
    public void Quorum_counts_the_members_that_are_not_down()
    {
        Assert.Equal((1, 2), (s_three.Reached, s_three.Counted));
        Assert.Equal("a:1", s_three.Own?.HostAndPort);
        Assert.Null((s_three with { Self = "akka.tcp://policyd@d:1" }).Own);
    }

    [Theory]
    [InlineData("b:1", "b:1")]
    [InlineData("B:1", "b:1")]
    [InlineData("akka.tcp://policyd@b:1", "b:1")]
    [InlineData("b:1#7", "b:1")]
    [InlineData("b", null)]
    [InlineData("b:1#8", null)]
    [InlineData("", null)]
    public void Operator_names_a_member_by_its_address_or_by_its_name(string text, string? found) =>
        Assert.Equal(found, s_three.Find(text)?.HostAndPort);

    [Theory]
    [InlineData(nameof(MembershipState.Looking), null, true, NodeState.Looking)]
    [InlineData(nameof(MembershipState.TakingLease), null, true, NodeState.Forming)]
    [InlineData(nameof(MembershipState.Forming), null, true, NodeState.Forming)]
    [InlineData(nameof(MembershipState.Joining), MemberStatus.Joining, true, NodeState.Joining)]
    [InlineData(nameof(MembershipState.Entering), MemberStatus.Up, true, NodeState.Member)]
    [InlineData(nameof(MembershipState.Member), MemberStatus.Up, true, NodeState.Member)]
    [InlineData(nameof(MembershipState.Member), MemberStatus.Up, false, NodeState.CutOff)]
    [InlineData(nameof(MembershipState.Member), MemberStatus.Leaving, true, NodeState.Leaving)]
    [InlineData(nameof(MembershipState.Member), MemberStatus.Exiting, true, NodeState.Leaving)]
    [InlineData(nameof(MembershipState.Member), MemberStatus.Down, true, NodeState.Ending)]
    [InlineData(nameof(MembershipState.Ended), MemberStatus.Up, false, NodeState.Ending)]
    [InlineData(null, null, true, NodeState.Looking)]
    [InlineData(null, MemberStatus.Joining, true, NodeState.Joining)]
    [InlineData(null, MemberStatus.Up, true, NodeState.Member)]
    public void State_follows_from_the_membership_and_akkas_word(
        string? membership, MemberStatus? status, bool hasQuorum, NodeState state) =>
        Assert.Equal(
            state, NodeStates.Of(membership is null ? null : Enum.Parse<MembershipState>(membership), status, hasQuorum));

    [Fact]
    public void Node_that_is_no_member_says_why()
    {
        Assert.Equal(
            "the members cannot be read from the database: gone",
            NodeStates.NoteOf(NodeState.Looking, new MembershipEvent.CannotLook("gone")));
        Assert.Equal("asks b:1, c:1 to take this node in", NodeStates.NoteOf(NodeState.Joining, new MembershipEvent.Joins(["b:1", "c:1"])));
        Assert.Equal("nobody has taken this node in", NodeStates.NoteOf(NodeState.Looking, new MembershipEvent.NobodyAnswers()));
        Assert.Null(NodeStates.NoteOf(NodeState.Member, new MembershipEvent.CannotLook("gone")));
        Assert.Null(NodeStates.NoteOf(NodeState.Looking, null));
    }

    [Fact]
    public void Status_shows_all_that_a_node_knows_and_waits_for()
    {
        var working = new NodeStanding(s_three, NodeState.Member, HasQuorum: true)
        {
            HasDatabase = true,
            KeysInMemory = 12,
            WaitingAdds = new WaitingAdds(3, 1),
            Leases = [new HeldLease("formation", null), new HeldLease("split", "policyd@a:1")],
            Deferred = [("db", new DeferredCounts(5, 2, "gone"))],
        };
        Assert.Equal(
            """
            node             akka.tcp://policyd@a:1
            state            member
            leader           akka.tcp://policyd@a:1
            oldest           akka.tcp://policyd@b:1
            quorum           yes, 1 of 2 members are reached
            fenced           no
            lease formation  nobody
            lease split      policyd@a:1
            database         reachable
            keys in memory   12
            outbox           3 adds wait for other nodes, 1 of them are on the disk
            deferred (db)    5 mails wait for the database, 2 of them are in the spool
            """,
            Printed(view => view.Write(StatusReport.Of(working))));
        Assert.True(StatusReport.Of(working).Working);

        var lost = new NodeStanding(s_three with { Members = [], Leader = null, Oldest = null }, NodeState.Looking, HasQuorum: true)
        {
            Note = "nobody has taken this node in",
            FencedSince = "other members\ntook it for lost",
            HasDatabase = true,
            DatabaseFault = "no answer",
        };
        Assert.Equal(
            """
            node             akka.tcp://policyd@a:1
            state            looking: nobody has taken this node in
            leader           none
            oldest           none
            quorum           yes, 0 of 0 members are reached
            fenced           yes: other members\ntook it for lost
            database         not reachable: no answer
            """,
            Printed(view => view.Write(StatusReport.Of(lost))));
        Assert.False(StatusReport.Of(lost).Working);
        Assert.False(StatusReport.Of(working with { FencedSince = "a commit was refused" }).Working);
        Assert.Equal("cut off", StatusReport.Of(working with { State = NodeState.CutOff, HasQuorum = false }).State);
    }

    [Fact]
    public void Shards_stand_in_the_order_of_their_numbers()
    {
        var report = ShardsReport.Of(new ShardsSeen(
            [new ShardSeen("counters", "10", 1, "n"), new ShardSeen("counters", "9", 2, "m"), new ShardSeen("counters", "1", 1, "n")],
            IsWhole: false));
        Assert.Equal(["1", "9", "10"], report.Shards.Select(static one => one.Shard));
        var printed = Printed(view => view.Write(report));
        Assert.Contains("m: 1 shards\nn: 2 shards\nnot all nodes have answered: shards may be missing", printed, StringComparison.Ordinal);
    }

    private static ClusterMember Member(string address, string status, bool isReachable = true) =>
        new($"akka.tcp://policyd@{address}", address, $"{address}#7", ["policyd"], status, isReachable, "0.1.0");

    private static string Printed(Action<ClusterView> write)
    {
        using var output = new StringWriter { NewLine = "\n" };
        write(new ClusterView(output));
        return output.ToString().TrimEnd('\n');
    }
}
