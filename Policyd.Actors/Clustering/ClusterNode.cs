using Akka;
using Akka.Actor;
using Akka.Cluster;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;

namespace Policyd.Actors.Clustering;

/// <summary>
/// This node as a member of a cluster: what its counters and the admin endpoint ask, from any thread, and what they tell. One for each life
/// of a member.
/// </summary>
internal sealed class ClusterNode
{
    // Of the longest stop: six looks in the shortest time after which others may take this node for lost.
    private const int LooksInTime = 6;

    private readonly Cluster _cluster;
    private readonly IReadOnlyList<IMemberFences> _fences;
    private readonly TaskCompletionSource _member = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeSpan _failureAfter;
    private SleepWatch? _sleep;
    private IActorRef _membership = ActorRefs.Nobody;
    private bool _reachesQuorum = true;
    private MembershipEvent? _last;
    private int _state;
    private string? _endsSince;

    /// <param name="system">A system that is part of a cluster.</param>
    /// <param name="fences">Those of each database that holds counters of this node.</param>
    /// <param name="failureAfter">After how long without a word others may take this node for lost.</param>
    public ClusterNode(ActorSystem system, IReadOnlyList<IMemberFences> fences, TimeSpan failureAfter)
    {
        (_cluster, _fences) = (Cluster.Get(system), fences);
        _failureAfter = failureAfter;
        Member = MemberName.Of(_cluster.SelfUniqueAddress);
        foreach (var one in fences)
        {
            one.BecomeMember(Member, WasFenced);
        }
    }

    /// <summary>This life's name, see <see cref="MemberName"/>.</summary>
    public string Member { get; }

    /// <summary>
    /// Whether at least half of the members are reached, this one counted, no commit was refused, and the node has not stood still since it
    /// last heard of itself. Without it others may count what is counted here.
    /// </summary>
    public bool HasQuorum => Volatile.Read(ref _reachesQuorum) && EndsSince is null && (Sleep?.IsSure ?? true);

    /// <summary>How often this process has stood still, see <see cref="SleepWatch"/>.</summary>
    public int Sleeps => Sleep?.Sleeps ?? 0;

    /// <summary>The database has told that this node is a member still.</summary>
    /// <param name="sleeps"><see cref="Sleeps"/> when it was asked.</param>
    public void IsThereAfter(int sleeps) => Sleep?.Confirm(sleeps);

    /// <summary>Whether at least half of the members are reached has changed.</summary>
    public void ReachQuorum(bool isReached) => Volatile.Write(ref _reachesQuorum, isReached);

    /// <summary>What the node's membership has come to.</summary>
    public MembershipEvent? Last
    {
        get => Volatile.Read(ref _last);
        set
        {
            Volatile.Write(ref _last, value);
            if (value is MembershipEvent.IsMember)
            {
                _member.TrySetResult();
            }
        }
    }

    /// <summary>Completes when this life has become a member.</summary>
    public Task WhenMember => _member.Task;

    /// <summary>What the node does about its membership.</summary>
    public MembershipState State
    {
        get => (MembershipState)Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, (int)value);
    }

    /// <summary>Why this life can count no more; null while it can.</summary>
    public string? EndsSince
    {
        get => Volatile.Read(ref _endsSince);
        set => Volatile.Write(ref _endsSince, value);
    }

    /// <summary>The members in the common database; null before the node begins.</summary>
    public IClusterDirectory? Directory { get; private set; }

    // Null before the node begins: the start may take long, and nobody counts on it yet.
    private SleepWatch? Sleep
    {
        get => Volatile.Read(ref _sleep);
        set => Volatile.Write(ref _sleep, value);
    }

    /// <summary>Begins to look for the other members; the node serves meanwhile.</summary>
    /// <param name="system">Its system.</param>
    /// <param name="directory">The members in the common database.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="end">Ends this life of the node, for a reason.</param>
    /// <param name="logger">The log.</param>
    public void Begin(
        ActorSystem system, IClusterDirectory directory, MembershipSettings settings, Action<string> end, ILogger logger)
    {
        ClusterDirectories.Set(system, directory);
        Directory = directory;

        // After its counters are handed over: nobody is to look for a member that has left.
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseClusterShutdown, "leave-directory", () => LeaveAsync(directory));
        UnreachedLeave.Watch(system, () => Volatile.Read(ref _reachesQuorum));
        Sleep = new SleepWatch(TimeProvider.System, _failureAfter);
        _membership = system.ActorOf(MembershipActor.Props(directory, this, settings, end, logger), "cluster-membership");

        // On the scheduler's own thread: a thread of the pool may be long in coming.
        var looks = system.Scheduler.Advanced.ScheduleRepeatedlyCancelable(
            _failureAfter / LooksInTime, _failureAfter / LooksInTime, LookForSleep);
        system.RegisterOnTermination(looks.Cancel);
    }

    /// <summary>An operator names a member to join. It has an effect only while this node is no member.</summary>
    /// <param name="address"><c>HOST:PORT</c>.</param>
    public void Join(string address) => _membership.Tell(new MembershipActor.JoinAsked(address), ActorRefs.NoSender);

    /// <summary>A commit of this member was refused: others have fenced it.</summary>
    public void WasFenced(string why)
    {
        EndsSince = why;
        _membership.Tell(new MembershipActor.WasFenced(why), ActorRefs.NoSender);
    }

    /// <summary>Before counters are next read or written, every member that this node does not know as alive is fenced.</summary>
    public void FenceTheLost()
    {
        foreach (var one in _fences)
        {
            one.FenceAllBut(Alive);
        }
    }

    /// <summary>Before counters are next read or written, a member is fenced.</summary>
    public void Fence(string member)
    {
        foreach (var one in _fences)
        {
            one.Fence(member);
        }
    }

    /// <summary>All members but this one are fenced when the task completes, in every database that holds counters.</summary>
    public async Task FenceOthersAsync(CancellationToken ct)
    {
        foreach (var one in _fences)
        {
            one.FenceAllBut(() => [Member]);
            await one.RunAsync(ct).ConfigureAwait(false);
        }
    }

    private void LookForSleep()
    {
        if (Sleep?.Look() is { } time)
        {
            _membership.Tell(new MembershipActor.StoodStill(time), ActorRefs.NoSender);
        }
    }

    private async Task<Done> LeaveAsync(IClusterDirectory directory)
    {
        try
        {
            await directory.RemoveAsync([Member], CancellationToken.None).ConfigureAwait(false);
        }
        catch (CounterStoreException)
        {
            // The database is away: the row's beat stands still, by which others see the same.
        }

        return Done.Instance;
    }

    // One that has not been up has no counters; one that is leaving hands its counters over.
    private List<string> Alive() =>
    [
        Member,
        .. _cluster.State.Members.Where(static one => one.Status is not (MemberStatus.Down or MemberStatus.Removed))
            .Select(static one => MemberName.Of(one.UniqueAddress)),
    ];
}
