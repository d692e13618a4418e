using Akka.Actor;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Actors.Counters;

/// <summary>Finds the node of one key for an operator, and asks it whether the key is in memory. It ends with its answer.</summary>
internal sealed class KeyFinderActor : UntypedActor, IWithTimers
{
    private readonly IActorRef _region;
    private readonly CounterKey _key;
    private readonly int _partition;
    private readonly TimeSpan _again;
    private readonly TimeSpan _timeout;
    private readonly TaskCompletionSource<(IActorRef? Post, bool? IsInMemory)> _found;
    private IActorRef? _post;

    private KeyFinderActor(
        IActorRef region,
        CounterKey key,
        int partition,
        TimeSpan again,
        TimeSpan timeout,
        TaskCompletionSource<(IActorRef? Post, bool? IsInMemory)> found) =>
        (_region, _key, _partition, _again, _timeout, _found) = (region, key, partition, again, timeout, found);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="region">The shard region of the partitions.</param>
    /// <param name="key">The key.</param>
    /// <param name="partition">Its partition.</param>
    /// <param name="again">After how long it asks again.</param>
    /// <param name="timeout">How long it asks.</param>
    /// <param name="found">
    /// Is given the post of the key's node, and whether the key is in memory there; null for what nobody has told in time.
    /// </param>
    public static Props Props(
        IActorRef region,
        CounterKey key,
        int partition,
        TimeSpan again,
        TimeSpan timeout,
        TaskCompletionSource<(IActorRef? Post, bool? IsInMemory)> found) => Akka.Actor.Props.CreateBy(
            new Producer<KeyFinderActor>(() => new KeyFinderActor(region, key, partition, again, timeout, found)));

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(AskAgain.Instance, AskAgain.Instance, TimeSpan.Zero, _again);
        Timers.StartSingleTimer(TooLate.Instance, TooLate.Instance, _timeout);
    }

    protected override void PostStop() => _found.TrySetResult((_post, null));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            // A partition that moves does not answer, and the node of one that has moved knows nothing of the key.
            case AskAgain:
                _region.Tell(new FindPartition(_partition), Self);
                break;
            case PartitionHere here when here.Number == _partition:
                _post = Sender;
                _post.Tell(new FindOwner(CounterWire.Write(_key)), Self);
                break;
            case OwnerFound owner when Sender.Equals(_post):
                _found.TrySetResult((_post, owner.IsInMemory));
                Context.Stop(Self);
                break;
            case TooLate:
                Context.Stop(Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private sealed class AskAgain : INoSerializationVerificationNeeded
    {
        public static readonly AskAgain Instance = new();
    }

    private sealed class TooLate : INoSerializationVerificationNeeded
    {
        public static readonly TooLate Instance = new();
    }
}
