using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Cluster;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Clustering;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Clustering;

/// <summary>
/// The actor around <see cref="Membership"/>: asks the database, hears from Akka who is a member and who is reached, and carries out what
/// is decided. A member that Akka calls down is fenced before its keys are loaded here.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "An actor's end is PostStop.")]
internal sealed class MembershipActor : UntypedActor, IWithTimers, IMembershipEffects
{
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly IClusterDirectory _directory;
    private readonly ClusterNode _node;
    private readonly Action<string> _end;
    private readonly ILogger _logger;
    private readonly LogThrottle _addressIsTaken = new(TimeProvider.System);
    private readonly Membership _membership;
    private readonly CancellationTokenSource _stopped = new();
    private readonly HashSet<UniqueAddress> _members = [];
    private readonly HashSet<UniqueAddress> _unreachable = [];
    private readonly HashSet<UniqueAddress> _lost = [];

    private MembershipActor(
        IClusterDirectory directory, ClusterNode node, MembershipSettings settings, Action<string> end, ILogger logger)
    {
        (_directory, _node, _end, _logger) = (directory, node, end, logger);
        _membership = new Membership(settings with { Own = MemberName.HostAndPort(_cluster.SelfAddress) }, this);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private string Me => _node.Member;

    public static Props Props(
        IClusterDirectory directory, ClusterNode node, MembershipSettings settings, Action<string> end, ILogger logger) =>
        Akka.Actor.Props.CreateBy(
            new Producer<MembershipActor>(() => new MembershipActor(directory, node, settings, end, logger)));

    public void ReadMembers() => Ask(_directory.ReadAsync, static members => new MembersRead(members));

    public void TakeLease() => Ask(
        ct => _directory.TryTakeLeaseAsync(ClusterLease.Formation, Me, ClusterLease.FormationLasts, ct),
        static isTaken => new LeaseAnswered(isTaken));

    public void ReleaseLease() => Ask(ct => _directory.ReleaseLeaseAsync(ClusterLease.Formation, Me, ct), Nothing.Instance);

    public void FenceAll(IReadOnlyList<string> members) => Ask(
        async ct =>
        {
            await _node.FenceOthersAsync(ct).ConfigureAwait(false);
            await _directory.RemoveAsync(members, ct).ConfigureAwait(false);
        },
        AllFenced.Instance);

    public void JoinSelf() => _cluster.Join(_cluster.SelfAddress);

    public void Join(IReadOnlyList<string> addresses) => _cluster.JoinSeedNodes(
        addresses.Select(address => MemberName.AddressOf(address, _cluster.SelfAddress)).OfType<Address>()
            .Where(address => !address.Equals(_cluster.SelfAddress))
            .Distinct());

    public void Enter(bool underLease)
    {
        var sleeps = _node.Sleeps;
        Ask(
            ct => _directory.EnterAsync(
                new MemberRow(Me, MemberName.HostAndPort(_cluster.SelfAddress), 0), underLease ? ClusterLease.Formation : null, ct),
            isThere => new Entered(isThere, sleeps));
    }

    public void Beat()
    {
        var sleeps = _node.Sleeps;
        Ask(ct => _directory.BeatAsync(Me, ct), isThere => new BeatAnswered(isThere, sleeps));
    }

    public void After(TimeSpan time, MembershipTimer timer) => Timers.StartSingleTimer(timer.Name, timer, time);

    public void Quorum(bool isThere) => _node.ReachQuorum(isThere);

    public void End(string why)
    {
        _node.EndsSince = why;
        _end(why);
    }

    public void Say(MembershipEvent what)
    {
        _node.Last = what;
        switch (what)
        {
            case MembershipEvent.Pauses pauses:
                ClusterLog.Pauses(_logger, pauses.Time.TotalSeconds);
                break;
            case MembershipEvent.CannotLook away:
                ClusterLog.CannotLook(_logger, away.Reason);
                break;
            case MembershipEvent.Joins joins:
                ClusterLog.Joins(_logger, string.Join(", ", joins.Addresses));
                break;
            case MembershipEvent.NobodyAnswers:
                ClusterLog.NobodyAnswers(_logger);
                break;
            case MembershipEvent.AddressIsTaken taken when _addressIsTaken.Enter(out _):
                ClusterLog.AddressIsTaken(_logger, taken.Address);
                break;
            case MembershipEvent.IsMember:
                ClusterLog.IsMember(_logger, Me);
                break;
            case MembershipEvent.QuorumChanged { HasQuorum: true } changed:
                ClusterLog.QuorumIsBack(_logger, changed.Reached, changed.Members);
                break;
            case MembershipEvent.QuorumChanged changed:
                ClusterLog.QuorumIsLost(_logger, changed.Reached, changed.Members);
                break;
        }
    }

    protected override void PreStart()
    {
        var self = Self;
        _cluster.Subscribe(
            self,
            ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.IMemberEvent),
            typeof(ClusterEvent.ReachabilityEvent));
        _cluster.RegisterOnMemberUp(() => self.Tell(IsUp.Instance));
        _membership.Begin();
        _node.State = _membership.State;
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        _ = _stopped.CancelAsync();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case MembersRead read:
                _membership.OnMembers(read.Members);
                break;
            case LeaseAnswered lease:
                _membership.OnLease(lease.IsTaken);
                break;
            case AllFenced:
                _membership.OnAllFenced();
                break;
            case Entered entered:
                OnThere(entered.IsThere, entered.Sleeps);
                _membership.OnEntered(entered.IsThere);
                break;
            case BeatAnswered beat:
                OnThere(beat.IsThere, beat.Sleeps);
                _membership.OnBeat(beat.IsThere);
                break;
            case StoodStill still:
                ClusterLog.StoodStill(_logger, still.Time.TotalSeconds);
                _membership.OnStoodStill();
                break;
            case Failed failed:
                _membership.OnDatabaseAway(failed.Cause.Message);
                break;
            case MembershipTimer timer:
                _membership.OnTimer(timer);
                break;
            case IsUp:
                _membership.OnUp();
                break;
            case WasFenced fenced:
                _membership.OnFenced(fenced.Why);
                break;
            case ClusterEvent.IMemberEvent changed:
                OnMember(changed);
                break;
            case ClusterEvent.ReachabilityEvent changed:
                OnReachability(changed);
                break;
            case JoinAsked asked:
                _membership.OnJoinAsked(asked.Address);
                break;
            case Nothing:
                break;
            default:
                Unhandled(message);
                break;
        }

        _node.State = _membership.State;
    }

    private void OnThere(bool isThere, int sleeps)
    {
        if (isThere)
        {
            _node.IsThereAfter(sleeps);
        }
    }

    private void OnMember(ClusterEvent.IMemberEvent changed)
    {
        var (member, node) = (changed.Member, changed.Member.UniqueAddress);
        var isLost = member.Status == MemberStatus.Down || changed is ClusterEvent.MemberRemoved { PreviousStatus: MemberStatus.Down };
        if (isLost && !node.Equals(_cluster.SelfUniqueAddress) && _lost.Add(node))
        {
            var name = MemberName.Of(node);
            ClusterLog.IsLost(_logger, name);
            _node.Fence(name);
            Ask(ct => _directory.RemoveAsync([name], ct), Nothing.Instance);
        }

        if (member.Status is MemberStatus.Down or MemberStatus.Removed)
        {
            _members.Remove(node);
            _unreachable.Remove(node);
        }
        else
        {
            _members.Add(node);
        }

        Count();
    }

    private void OnReachability(ClusterEvent.ReachabilityEvent changed)
    {
        var node = changed.Member.UniqueAddress;
        var isReached = changed is not ClusterEvent.UnreachableMember;
        if (isReached ? _unreachable.Remove(node) : _unreachable.Add(node))
        {
            Tell(changed.Member, isReached);
        }

        Count();
    }

    // Of one that leaves, or was declared down, something else is told.
    private void Tell(Member member, bool isReached)
    {
        if (member.Status != MemberStatus.Up)
        {
            return;
        }

        var name = MemberName.Of(member.UniqueAddress);
        if (isReached)
        {
            ClusterLog.IsReachedAgain(_logger, name);
        }
        else
        {
            ClusterLog.IsNotReached(_logger, name);
        }
    }

    private void Count() => _membership.OnReachability(_members.Count, _unreachable.Count(_members.Contains));

    private void Ask(Func<CancellationToken, Task> step, object done) => Ask(
        async ct =>
        {
            await step(ct).ConfigureAwait(false);
            return done;
        },
        static done => done);

    private void Ask<T>(Func<CancellationToken, Task<T>> step, Func<T, object> done)
    {
        var token = _stopped.Token;
        Task.Run(() => step(token), token).PipeTo(Self, Self, done, static cause => new Failed(cause));
    }

    /// <summary>A commit of this life was refused.</summary>
    internal sealed record WasFenced(string Why) : INoSerializationVerificationNeeded;

    /// <summary>The process has stood still for so long.</summary>
    internal sealed record StoodStill(TimeSpan Time) : INoSerializationVerificationNeeded;

    /// <summary>An operator names a member to join.</summary>
    internal sealed record JoinAsked(string Address) : INoSerializationVerificationNeeded;

    private sealed record MembersRead(IReadOnlyList<MemberRow> Members) : INoSerializationVerificationNeeded;

    private sealed record LeaseAnswered(bool IsTaken) : INoSerializationVerificationNeeded;

    private sealed record Entered(bool IsThere, int Sleeps) : INoSerializationVerificationNeeded;

    private sealed record BeatAnswered(bool IsThere, int Sleeps) : INoSerializationVerificationNeeded;

    private sealed record Failed(Exception Cause) : INoSerializationVerificationNeeded;

    private sealed class AllFenced : INoSerializationVerificationNeeded
    {
        public static readonly AllFenced Instance = new();
    }

    private sealed class IsUp : INoSerializationVerificationNeeded
    {
        public static readonly IsUp Instance = new();
    }

    private sealed class Nothing : INoSerializationVerificationNeeded
    {
        public static readonly Nothing Instance = new();
    }
}
