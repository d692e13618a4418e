using Policyd.Actors.Clustering;
using Policyd.Counting.Clustering;
using Xunit;

namespace Policyd.Tests.Clustering;

/// <summary>The states of a node that looks for its cluster: docs/cluster-states.md has the table.</summary>
public sealed class MembershipSpecs
{
    private readonly Recorded _effects = new();
    private readonly Membership _membership;

    // Where nothing else is said, one look tells whether a member lives.
    private static MembershipSettings Settings { get; } = new() { LookEvery = new MembershipSettings().BeatsMoveWithin };

    public MembershipSpecs() => _membership = new Membership(Settings, _effects);

    [Fact]
    public void The_first_node_of_all_takes_the_lease_fences_whoever_was_there_and_joins_itself()
    {
        _membership.Begin();
        _membership.OnMembers([]);
        Assert.Equal(["read", "take lease"], _effects.Take());

        _membership.OnLease(isTaken: true);
        _membership.OnMembers([]);
        Assert.Equal(["read", "fence all, remove "], _effects.Take());

        _membership.OnAllFenced();
        Assert.Equal(["join self", "after join"], _effects.Take());

        _membership.OnUp();
        _membership.OnEntered(isThere: true);
        Assert.Equal(["enter under lease", "release lease", "after beat"], _effects.Take());
        Assert.Equal(MembershipState.Member, _membership.State);
    }

    [Fact]
    public void Who_forms_a_cluster_so_slowly_that_the_lease_is_gone_begins_anew()
    {
        _membership.Begin();
        _membership.OnMembers([]);
        _membership.OnLease(isTaken: true);
        _membership.OnMembers([]);
        _membership.OnAllFenced();
        _membership.OnTimer(MembershipTimer.JoinTooLate(1));
        _effects.Take();

        // Akka has taken it in all the same, and cannot be told otherwise.
        _membership.OnUp();
        Assert.Equal(["enter under lease"], _effects.Take());
        _membership.OnEntered(isThere: false);
        Assert.Equal(["end"], _effects.Take());
        Assert.Equal(MembershipState.Ended, _membership.State);
    }

    [Fact]
    public void A_node_whose_lives_before_were_short_waits_before_it_looks()
    {
        var settings = Settings with { Pause = new NodeLife(3).Pause };
        var membership = new Membership(settings, _effects);
        membership.Begin();
        Assert.Equal(["after begin"], _effects.Take());
        membership.OnTimer(MembershipTimer.Begin);
        Assert.Equal(["read"], _effects.Take());

        membership = new Membership(settings with { Seeds = ["s:1"] }, _effects);
        membership.Begin();
        membership.OnJoinAsked("o:1");
        Assert.Equal(["after begin", "join o:1", "after join"], _effects.Take());
        membership.OnTimer(MembershipTimer.Begin);
        Assert.Empty(_effects.Take());
    }

    [Fact]
    public void A_node_joins_the_members_whose_beat_moves_and_no_others()
    {
        _membership.Begin();
        _membership.OnMembers([Row("a:1", 5), Row("b:1", 7)]);
        Assert.Equal(["read", "after look"], _effects.Take());

        _membership.OnTimer(MembershipTimer.Look);
        _membership.OnMembers([Row("a:1", 5), Row("b:1", 8), Row("c:1", 1)]);
        Assert.Equal(["read", "join b:1, c:1", "after join"], _effects.Take());
    }

    [Fact]
    public void A_node_whose_address_is_that_of_a_living_member_joins_nobody_until_that_one_is_gone()
    {
        var membership = new Membership(Settings with { Own = "a:1" }, _effects);
        membership.Begin();
        membership.OnMembers([Row("a:1", 5), Row("b:1", 7)]);
        membership.OnTimer(MembershipTimer.Look);
        _effects.Take();
        membership.OnMembers([Row("a:1", 6), Row("b:1", 8)]);
        Assert.Equal(["after look"], _effects.Take());
        Assert.Equal(MembershipState.Looking, membership.State);

        membership.OnTimer(MembershipTimer.Look);
        membership.OnMembers([Row("a:1", 6), Row("b:1", 9)]);
        membership.OnTimer(MembershipTimer.Look);
        membership.OnMembers([Row("a:1", 6), Row("b:1", 10)]);
        Assert.Equal(["read", "after look", "read", "join b:1", "after join"], _effects.Take());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    public void A_member_is_joined_at_the_first_look_that_shows_it_alive_and_taken_for_dead_only_at_the_last(int alive)
    {
        const int Looks = 4;
        var membership = new Membership(Settings with { LookEvery = Settings.BeatsMoveWithin / Looks }, _effects);
        membership.Begin();
        membership.OnMembers([Row("a:1", 5)]);
        for (var look = 1; look < Math.Min(alive, Looks); look++)
        {
            Assert.Equal(["read", "after look"], _effects.Take());
            membership.OnTimer(MembershipTimer.Look);
            membership.OnMembers([Row("a:1", 5)]);
        }

        Assert.Equal(["read", "after look"], _effects.Take());
        membership.OnTimer(MembershipTimer.Look);
        membership.OnMembers([Row("a:1", alive <= Looks ? 6 : 5)]);
        Assert.Equal(alive <= Looks ? ["read", "join a:1", "after join"] : ["read", "take lease"], _effects.Take());
    }

    [Fact]
    public void Members_whose_beat_stands_still_are_dead_and_fenced_before_a_new_cluster_begins()
    {
        LookTwice([Row("a:1", 5)], [Row("a:1", 5)]);
        _membership.OnLease(isTaken: true);
        _effects.Take();
        _membership.OnMembers([Row("a:1", 5)]);
        Assert.Equal(["fence all, remove a:1#1"], _effects.Take());
    }

    [Fact]
    public void Who_has_the_lease_joins_all_the_same_when_a_member_has_come_to_life_meanwhile()
    {
        LookTwice([Row("a:1", 5)], [Row("a:1", 5)]);
        _membership.OnLease(isTaken: true);
        _effects.Take();
        _membership.OnMembers([Row("a:1", 6)]);
        Assert.Equal(["release lease", "join a:1", "after join"], _effects.Take());
    }

    [Fact]
    public void Who_found_nobody_joins_a_cluster_that_was_formed_before_it_had_the_lease()
    {
        _membership.Begin();
        _membership.OnMembers([]);
        _membership.OnLease(isTaken: true);
        _effects.Take();
        _membership.OnMembers([Row("a:1", 0)]);
        Assert.Equal(["release lease", "join a:1", "after join"], _effects.Take());
    }

    [Fact]
    public void An_operators_address_is_joined_at_once_and_only_while_the_node_is_no_member()
    {
        _membership.Begin();
        _membership.OnJoinAsked("o:1");
        Assert.Equal(["read", "join o:1", "after join"], _effects.Take());
        _membership.OnMembers([]);
        Assert.Empty(_effects.Take());
        _membership.OnTimer(MembershipTimer.JoinTooLate(1));
        Assert.Equal(["read"], _effects.Take());

        _membership.OnMembers([]);
        _membership.OnLease(isTaken: true);
        _effects.Take();
        _membership.OnJoinAsked("o:1");
        Assert.Equal(["release lease", "join o:1", "after join"], _effects.Take());
        _membership.OnAllFenced();
        _membership.OnUp();
        _membership.OnEntered(isThere: true);
        Assert.Equal(["enter", "after beat"], _effects.Take());
        _membership.OnJoinAsked("o:1");
        Assert.Empty(_effects.Take());
    }

    [Fact]
    public void Who_does_not_get_the_lease_looks_again()
    {
        _membership.Begin();
        _membership.OnMembers([]);
        _effects.Take();
        _membership.OnLease(isTaken: false);
        Assert.Equal(["after look"], _effects.Take());
        _membership.OnTimer(MembershipTimer.Look);
        Assert.Equal(["read"], _effects.Take());
    }

    [Fact]
    public void A_database_that_is_away_is_asked_again_and_no_cluster_is_formed()
    {
        _membership.Begin();
        _effects.Take();
        _membership.OnDatabaseAway("gone");
        Assert.Equal(["after look"], _effects.Take());

        _membership.OnTimer(MembershipTimer.Look);
        _membership.OnMembers([]);
        _membership.OnLease(isTaken: true);
        _effects.Take();
        _membership.OnDatabaseAway("gone");   // what was there is not fenced
        Assert.Equal(["release lease", "after look"], _effects.Take());
        _membership.OnAllFenced();
        Assert.Empty(_effects.Take());
    }

    [Fact]
    public void Nobody_answers_in_time_then_the_members_are_read_again()
    {
        LookTwice([Row("a:1", 5)], [Row("a:1", 6)]);
        _membership.OnTimer(MembershipTimer.JoinTooLate(1));
        Assert.Equal(["read"], _effects.Take());
        _membership.OnTimer(MembershipTimer.JoinTooLate(1));
        Assert.Empty(_effects.Take());
    }

    [Fact]
    public void Seeds_are_asked_before_the_database_and_with_its_members()
    {
        var membership = new Membership(Settings with { Seeds = ["s:1"] }, _effects);
        membership.Begin();
        Assert.Equal(["join s:1", "after join"], _effects.Take());
        membership.OnTimer(MembershipTimer.JoinTooLate(1));
        membership.OnMembers([Row("a:1", 1)]);
        membership.OnTimer(MembershipTimer.Look);
        _effects.Take();
        membership.OnMembers([Row("a:1", 2)]);
        Assert.Equal(["join s:1, a:1", "after join"], _effects.Take());
    }

    [Fact]
    public void A_member_that_is_not_in_the_database_any_more_ends_once()
    {
        Enter();
        _membership.OnTimer(MembershipTimer.Beat);
        _membership.OnBeat(isThere: true);
        Assert.Equal(["beat", "after beat"], _effects.Take());
        _membership.OnBeat(isThere: false);
        _membership.OnFenced("a commit was refused");
        Assert.Equal(["end"], _effects.Take());
    }

    [Fact]
    public void A_member_that_stood_still_asks_at_once_whether_it_is_there()
    {
        _effects.Take();
        _membership.OnStoodStill();
        Assert.Empty(_effects.Take());
        Enter();
        _effects.Take();
        _membership.OnStoodStill();
        Assert.Equal(["beat"], _effects.Take());
    }

    [Fact]
    public void A_member_that_cannot_enter_the_database_tries_again_and_a_beat_that_fails_means_nothing()
    {
        LookTwice([Row("a:1", 5)], [Row("a:1", 6)]);
        _membership.OnUp();
        _membership.OnDatabaseAway("gone");
        Assert.Equal(["enter", "after beat"], _effects.Take());
        _membership.OnTimer(MembershipTimer.Beat);
        _membership.OnEntered(isThere: true);
        Assert.Equal(["enter", "after beat"], _effects.Take());
        _membership.OnDatabaseAway("gone");
        Assert.Empty(_effects.Take());
        Assert.Equal(MembershipState.Member, _membership.State);
    }

    [Theory]
    [InlineData(1, 0, true)]
    [InlineData(2, 1, true)]
    [InlineData(3, 1, true)]
    [InlineData(3, 2, false)]
    [InlineData(4, 2, true)]
    [InlineData(5, 3, false)]
    public void A_quorum_is_at_least_half_of_the_members(int members, int unreachable, bool expected)
    {
        _membership.OnReachability(members, unreachable);
        Assert.Equal(expected ? [] : ["quorum False"], _effects.Take());
        _membership.OnReachability(members, 0);
        Assert.Equal(expected ? [] : ["quorum True"], _effects.Take());
    }

    private static MemberRow Row(string address, long beat) => new(address + "#1", address, beat);

    private void LookTwice(MemberRow[] first, MemberRow[] second)
    {
        _membership.Begin();
        _membership.OnMembers(first);
        _membership.OnTimer(MembershipTimer.Look);
        _membership.OnMembers(second);
        _effects.Take();
    }

    private void Enter()
    {
        LookTwice([Row("a:1", 5)], [Row("a:1", 6)]);
        _membership.OnUp();
        _membership.OnEntered(isThere: true);
        _effects.Take();
    }

    private sealed class Recorded : IMembershipEffects
    {
        private readonly List<string> _done = [];

        public string[] Take()
        {
            string[] done = [.. _done];
            _done.Clear();
            return done;
        }

        public void ReadMembers() => _done.Add("read");

        public void TakeLease() => _done.Add("take lease");

        public void ReleaseLease() => _done.Add("release lease");

        public void FenceAll(IReadOnlyList<string> members) => _done.Add($"fence all, remove {string.Join(", ", members)}");

        public void JoinSelf() => _done.Add("join self");

        public void Join(IReadOnlyList<string> addresses) => _done.Add($"join {string.Join(", ", addresses)}");

        public void Enter(bool underLease) => _done.Add(underLease ? "enter under lease" : "enter");

        public void Beat() => _done.Add("beat");

        public void After(TimeSpan time, MembershipTimer timer) => _done.Add($"after {timer.Name}");

        public void Quorum(bool isThere) => _done.Add($"quorum {isThere}");

        public void End(string why) => _done.Add("end");

        public void Say(MembershipEvent what)
        {
        }
    }
}
