using Akka.Actor;
using Akka.Cluster;

namespace Policyd.Actors.Counters;

/// <summary>
/// Whether this node has ever had another beside it. One that is gone has left keys behind, and requests that it counted and did not
/// answer: they come here again just when it is no member any more.
/// </summary>
internal sealed class OtherNodes
{
    private volatile bool _seen;

    public OtherNodes(ActorSystem system) =>
        system.ActorOf(Props.CreateBy(new Producer<Watcher>(() => new Watcher(this))), "counter-other-nodes");

    public bool Seen => _seen;

    private sealed class Watcher : ReceiveActor
    {
        private readonly Cluster _cluster = Cluster.Get(Context.System);

        public Watcher(OtherNodes others)
        {
            Receive<ClusterEvent.CurrentClusterState>(state => others._seen |= state.Members.Count > 1);
            Receive<ClusterEvent.IMemberEvent>(change => others._seen |= change.Member.UniqueAddress != _cluster.SelfUniqueAddress);
        }

        protected override void PreStart() =>
            _cluster.Subscribe(Self, ClusterEvent.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent));

        protected override void PostStop() => _cluster.Unsubscribe(Self);
    }
}
