using Policyd.Counting.Clustering;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Clustering;

/// <summary>
/// How a node finds its cluster, forms one when there is none, and learns that it is no member any more. States and events without actors,
/// threads or a clock of their own; docs/cluster-states.md has the table.
/// </summary>
/// <remarks>
/// Whether a member lives is seen by its beat, which grows, and not by a time: clocks differ, and a database that was away has old times
/// of members that live.
/// </remarks>
internal sealed class Membership(MembershipSettings settings, IMembershipEffects effects)
{
    private readonly ExponentialDelay _again = new(settings.FirstPause, settings.LongestPause);
    private Dictionary<string, long>? _beats;
    private IReadOnlyList<string> _living = [];
    private int _looksLeft;
    private bool _hasLease;
    private bool _hasFormed;
    private bool _hasQuorum = true;
    private int _joins;

    /// <summary>What the node is doing.</summary>
    public MembershipState State { get; private set; } = MembershipState.Looking;

    /// <summary>The node has started, and is no member of anything.</summary>
    public void Begin()
    {
        if (settings.Pause > TimeSpan.Zero)
        {
            effects.Say(new MembershipEvent.Pauses(settings.Pause));
            effects.After(settings.Pause, MembershipTimer.Begin);
        }
        else
        {
            Start();
        }
    }

    private void Start()
    {
        if (settings.Seeds.Count > 0)
        {
            Join(settings.Seeds);
        }
        else
        {
            Look();
        }
    }

    /// <summary>The members in the database.</summary>
    public void OnMembers(IReadOnlyList<MemberRow> members)
    {
        switch (State)
        {
            case MembershipState.Looking when members.Count == 0 && settings.Seeds.Count == 0:
                _beats = [];   // whoever is there when this node has the lease has come to life meanwhile
                TakeLease();
                break;
            case MembershipState.Looking when _beats is null:
                _beats = members.ToDictionary(static one => one.Member, static one => one.Beat);
                _looksLeft = (int)Math.Ceiling(settings.BeatsMoveWithin / settings.LookEvery);
                effects.After(settings.LookEvery, MembershipTimer.Look);
                break;
            case MembershipState.Looking when HasMoved(members):
                JoinLiving();
                break;
            case MembershipState.Looking when --_looksLeft == 0:
                TakeLease();
                break;
            case MembershipState.Looking:
                effects.After(settings.LookEvery, MembershipTimer.Look);
                break;

            // Somebody may have formed a cluster before this node had the lease.
            case MembershipState.Forming when HasMoved(members):
                ReleaseLease();
                JoinLiving();
                break;
            case MembershipState.Forming:
                effects.FenceAll([.. members.Select(static one => one.Member)]);
                break;
        }
    }

    /// <summary>Whether this node may form a cluster.</summary>
    public void OnLease(bool isTaken)
    {
        if (State != MembershipState.TakingLease)
        {
            return;
        }

        if (!isTaken)
        {
            LookAgain();
            return;
        }

        (State, _hasLease) = (MembershipState.Forming, true);
        effects.ReadMembers();
    }

    /// <summary>The lives before this one can count no more, and are no longer in the database.</summary>
    public void OnAllFenced()
    {
        if (State == MembershipState.Forming)
        {
            (State, _hasFormed) = (MembershipState.Joining, true);
            effects.JoinSelf();
            effects.After(settings.JoinWithin, MembershipTimer.JoinTooLate(++_joins));
        }
    }

    /// <summary>The database did not do what it was asked.</summary>
    public void OnDatabaseAway(string reason)
    {
        switch (State)
        {
            case MembershipState.Looking or MembershipState.TakingLease or MembershipState.Forming:
                effects.Say(new MembershipEvent.CannotLook(reason));
                ReleaseLease();
                LookAgain();
                break;

            // Not in the database yet, and so found by nobody.
            case MembershipState.Entering:
                effects.After(settings.BeatEvery, MembershipTimer.Beat);
                break;
        }
    }

    /// <summary>A timer has ended.</summary>
    public void OnTimer(MembershipTimer timer)
    {
        switch (State)
        {
            case MembershipState.Looking when timer == MembershipTimer.Begin:
                Start();
                break;
            case MembershipState.Looking when timer == MembershipTimer.Look:
                effects.ReadMembers();
                break;
            case MembershipState.Joining when timer == MembershipTimer.JoinTooLate(_joins):
                effects.Say(new MembershipEvent.NobodyAnswers());
                ReleaseLease();
                Look();
                break;
            case MembershipState.Entering when timer == MembershipTimer.Beat:
                effects.Enter(_hasFormed);
                break;
            case MembershipState.Member when timer == MembershipTimer.Beat:
                effects.Beat();
                effects.After(settings.BeatEvery, MembershipTimer.Beat);
                break;
        }
    }

    /// <summary>An operator names a member to join.</summary>
    public void OnJoinAsked(string address)
    {
        if (State is MembershipState.Looking or MembershipState.TakingLease or MembershipState.Forming or MembershipState.Joining)
        {
            ReleaseLease();
            Join([address]);
        }
    }

    /// <summary>Akka has taken this node in.</summary>
    public void OnUp()
    {
        if (State is MembershipState.Member or MembershipState.Entering or MembershipState.Ended)
        {
            return;
        }

        _again.Reset();
        State = MembershipState.Entering;
        effects.Say(new MembershipEvent.IsMember());
        effects.Enter(_hasFormed);
    }

    /// <summary>The answer to an entry.</summary>
    /// <param name="isThere">Whether others find this node in the database from now on. One that has formed a cluster, and had not entered
    /// while it had the lease, may stand beside another cluster that others have formed since.</param>
    public void OnEntered(bool isThere)
    {
        if (State == MembershipState.Entering && !isThere)
        {
            OnFenced("it has formed a cluster too slowly: others may have formed one meanwhile");
        }
        else if (State == MembershipState.Entering)
        {
            State = MembershipState.Member;
            ReleaseLease();
            effects.After(settings.BeatEvery, MembershipTimer.Beat);
        }
    }

    /// <summary>The answer to a beat.</summary>
    /// <param name="isThere">Whether the node's row was there. Survivors take out the row of a member that they fence.</param>
    public void OnBeat(bool isThere)
    {
        if (State == MembershipState.Member && !isThere)
        {
            OnFenced("other members took it for lost");
        }
    }

    /// <summary>The process has stood still for long: whether its row is still there is asked at once.</summary>
    public void OnStoodStill()
    {
        if (State == MembershipState.Member)
        {
            effects.Beat();
        }
    }

    /// <summary>This life of the node can count no more.</summary>
    public void OnFenced(string why)
    {
        if (State != MembershipState.Ended)
        {
            State = MembershipState.Ended;
            effects.End(why);
        }
    }

    /// <summary>How many members there are, and how many of them this node does not reach.</summary>
    public void OnReachability(int members, int unreachable)
    {
        // Half of them may be the ones that go on: then the lease decides, and until then both halves count.
        var hasQuorum = 2 * (members - unreachable) >= members;
        if (hasQuorum != _hasQuorum)
        {
            _hasQuorum = hasQuorum;
            effects.Quorum(hasQuorum);
            effects.Say(new MembershipEvent.QuorumChanged(hasQuorum, members - unreachable, members));
        }
    }

    private bool HasMoved(IReadOnlyList<MemberRow> members)
    {
        _living = [.. members.Where(one => _beats is not null && one.Beat != _beats.GetValueOrDefault(one.Member, -1))
            .Select(static one => one.Address)];
        return _living.Count > 0;
    }

    private void TakeLease()
    {
        State = MembershipState.TakingLease;
        effects.TakeLease();
    }

    private void Look()
    {
        (State, _beats) = (MembershipState.Looking, null);
        effects.ReadMembers();
    }

    private void LookAgain()
    {
        (State, _beats) = (MembershipState.Looking, null);
        effects.After(_again.Next(), MembershipTimer.Look);
    }

    // A member at this node's own address is another process. The others would take this node for its next life, and declare it down.
    private void JoinLiving()
    {
        if (_living.Contains(settings.Own, StringComparer.OrdinalIgnoreCase))
        {
            effects.Say(new MembershipEvent.AddressIsTaken(settings.Own));
            LookAgain();
        }
        else
        {
            Join([.. settings.Seeds, .. _living]);
        }
    }

    private void Join(IReadOnlyList<string> addresses)
    {
        State = MembershipState.Joining;
        effects.Say(new MembershipEvent.Joins(addresses));
        effects.Join(addresses);
        effects.After(settings.JoinWithin, MembershipTimer.JoinTooLate(++_joins));
    }

    private void ReleaseLease()
    {
        if (_hasLease)
        {
            _hasLease = false;
            effects.ReleaseLease();
        }
    }
}

/// <summary>What a node is doing about its membership.</summary>
internal enum MembershipState
{
    /// <summary>It reads which members there are.</summary>
    Looking,

    /// <summary>There are none: it asks whether it may form a cluster.</summary>
    TakingLease,

    /// <summary>It may, and fences the lives before.</summary>
    Forming,

    /// <summary>It has asked others, or itself, to take it in.</summary>
    Joining,

    /// <summary>It is a member, and writes so into the database.</summary>
    Entering,

    /// <summary>It is a member that others find.</summary>
    Member,

    /// <summary>It is none any more, and this life ends.</summary>
    Ended,
}

/// <summary>Times, and what the configuration says.</summary>
internal sealed record MembershipSettings
{
    /// <summary>Addresses to join, besides those in the database: <c>HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Where the others reach this node: <c>HOST:PORT</c>.</summary>
    public string Own { get; init; } = "";

    /// <summary>Before anything else.</summary>
    public TimeSpan Pause { get; init; }

    /// <summary>How often a member shows that it lives.</summary>
    public TimeSpan BeatEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>In which time the beat of a member that lives grows, also when one beat has failed.</summary>
    public TimeSpan BeatsMoveWithin { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How often it is looked whether one has grown: whoever is alive is joined at once.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>After which time another way is tried.</summary>
    public TimeSpan JoinWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Before the members are read once more.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The same, after many failures.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>A timer of <see cref="Membership"/>.</summary>
/// <param name="Name">What it is for.</param>
/// <param name="Number">Which one of these: an earlier one means nothing.</param>
internal readonly record struct MembershipTimer(string Name, int Number = 0)
{
    public static readonly MembershipTimer Begin = new("begin");
    public static readonly MembershipTimer Look = new("look");
    public static readonly MembershipTimer Beat = new("beat");

    public static MembershipTimer JoinTooLate(int number) => new("join", number);
}

/// <summary>What <see cref="Membership"/> tells.</summary>
internal abstract record MembershipEvent
{
    private MembershipEvent()
    {
    }

    public sealed record Pauses(TimeSpan Time) : MembershipEvent;

    public sealed record CannotLook(string Reason) : MembershipEvent;

    public sealed record Joins(IReadOnlyList<string> Addresses) : MembershipEvent;

    public sealed record NobodyAnswers : MembershipEvent;

    public sealed record AddressIsTaken(string Address) : MembershipEvent;

    public sealed record IsMember : MembershipEvent;

    public sealed record QuorumChanged(bool HasQuorum, int Reached, int Members) : MembershipEvent;
}

/// <summary>What <see cref="Membership"/> has done. Each question to the database is answered by an event, or by <see
/// cref="Membership.OnDatabaseAway"/>.</summary>
internal interface IMembershipEffects
{
    /// <summary>Answered by <see cref="Membership.OnMembers"/>.</summary>
    void ReadMembers();

    /// <summary>The lease of who may form a cluster. Answered by <see cref="Membership.OnLease"/>.</summary>
    void TakeLease();

    void ReleaseLease();

    /// <summary>Answered by <see cref="Membership.OnAllFenced"/>, when none of them can count any more and none is found.</summary>
    void FenceAll(IReadOnlyList<string> members);

    void JoinSelf();

    void Join(IReadOnlyList<string> addresses);

    /// <summary>Writes this member into the database. Answered by <see cref="Membership.OnEntered"/>.</summary>
    /// <param name="underLease">Only if it still has the lease of who may form a cluster.</param>
    void Enter(bool underLease);

    /// <summary>Answered by <see cref="Membership.OnBeat"/>; a database that is away says nothing.</summary>
    void Beat();

    void After(TimeSpan time, MembershipTimer timer);

    void Quorum(bool isThere);

    /// <summary>This life of the node ends, and the next begins.</summary>
    void End(string why);

    void Say(MembershipEvent what);
}
