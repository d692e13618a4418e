using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Network;
using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The way between the nodes of a cluster, one on each: sends what is asked here to the owners on other nodes, in one message for each node
/// and for all that waits in its mailbox, and has what comes from there done by the owners here. What is not answered is
/// asked again under the same number, which is safe: a reservation is kept under its mail, an add under its request's id. An operator's set
/// is the one thing that is not: it is sent once. A question ends with its asker's
/// patience; an add is asked until it is acknowledged.
/// </summary>
internal sealed class CounterPostActor : UntypedActor, IWithTimers
{
    /// <summary>
    /// The most adds of other nodes' keys that wait for an acknowledgement. Beyond them the oldest is forgotten, and counted.
    /// </summary>
    public const int MostPending = 200_000;

    private const string Name = "counter-post";

    // A node that does not know direct connections would refuse one, and tell of it in its log. So the name says who takes them.
    private const string NameWithConnections = "counter-post-direct";

    private readonly CounterNode _node;
    private readonly DirectConnections? _direct;
    private readonly FarQuestions _questions;
    private readonly OtherNodes _others;
    private readonly Dictionary<ulong, PendingOperation> _pending = [];
    private readonly ILogger _logger;
    private readonly LogThrottle _damaged = new(TimeProvider.System);
    private readonly LogThrottle _givenUp = new(TimeProvider.System);
    private readonly Outboxes _outboxes;
    private ulong _number;
    private ulong _oldest;

    private CounterPostActor(CounterNode node, IActorRef region, ILogger logger, DirectConnections? direct)
    {
        (_node, _logger, _direct, _outboxes) = (node, logger, direct, new Outboxes(node, Self, logger));
        (_questions, _others) = (new FarQuestions(node, Context), new OtherNodes(node, region, Context, ConnectTo));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="node">The node.</param>
    /// <param name="region">The partitions, wherever they are.</param>
    /// <param name="logger">The log.</param>
    /// <param name="direct">The way to other nodes around Akka; null: there is none.</param>
    public static Props Props(CounterNode node, IActorRef region, ILogger logger, DirectConnections? direct = null) =>
        Akka.Actor.Props.CreateBy(new Producer<CounterPostActor>(() => new CounterPostActor(node, region, logger, direct)));

    /// <summary>The name of a post: it says to other nodes whether it takes direct connections.</summary>
    public static string NameOf(DirectConnections? direct) => direct is null ? Name : NameWithConnections;

    protected override void PreStart()
    {
        if (_direct is not null)
        {
            var (post, provider) = (Self, ((ExtendedActorSystem)Context.System).Provider);
            _direct.Accepted = (connection, from) => connection.Begin(new ConnectedPost(connection, from, post, provider));
        }
    }

    // What is not acknowledged is the next life's.
    protected override void PostStop()
    {
        _outboxes.Leave(_pending.Values);
        _others.Dispose();
        _direct?.Accepted = null;
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case List<CounterOperation> operations:
                Post(operations);
                break;
            case CounterOperation operation:
                Post([operation]);
                break;
            case CounterProtocol.Release release:
                OnRelease(release);
                break;
            case PartitionHere here:
                OnPartitionHere(here.Number);
                break;
            case TellPartition tell:
                tell.Asker.Tell(new PartitionHere(tell.Number), Self);
                break;
            case Ask ask:
                OnAsk(ask);
                break;
            case SendGathered:
                _others.SendGathered();
                break;
            case SendPaced:
                _others.SendNext();
                break;
            case Answers answers:
                OnAnswers(answers);
                break;
            case Release release:
                OnReleaseFromAfar(release);
                break;
            case UnknownFrame unknown:
                Damaged(unknown.Fault);
                break;
            case AskAgain:
                OnAskAgain();
                break;
            case Terminated gone:
                _others.OnGone(gone.ActorRef);
                break;
            case SeekAgain seek:
                _others.SeekAgain(seek, isWanted: _pending.Count > 0);
                break;
            case Outboxes.Written written:
                _outboxes.OnWritten(written);
                break;
            case FindOwner find:
                OnFindOwner(find);
                break;
            case CountWaitingAdds:
                var adds = _pending.Values.Where(static one => one.Operation is AddOperation).ToList();
                Sender.Tell(new AddsCounted(adds.Count, adds.Count(static one => one.Kept == KeptState.Yes)), Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private PostConnection? ConnectTo(IActorRef other) =>
        _direct is not null && other.Path.Name == NameWithConnections ? new PostConnection(_direct, other, Self, _logger) : null;

    private void Post(List<CounterOperation> operations)
    {
        var now = _node.Steady.Now;
        foreach (var operation in operations)
        {
            // A partition that moves tells what it cannot take any more here, also what came from afar: then its asker asks again.
            if (!_node.TryTellHere(operation.Key, operation))
            {
                var pending = new PendingOperation(operation, CounterPartition.Of(operation.Key, _node.Settings.Shards), now);
                _pending.Add(++_number, pending);
                Send(_number, pending, now);
            }
        }

        while (_pending.Count > MostPending)
        {
            ForgetOldest();
        }

        if (_pending.Count > 0 && !Timers.IsTimerActive(AskAgain.Instance))
        {
            Timers.StartPeriodicTimer(AskAgain.Instance, AskAgain.Instance, _node.Settings.AskAgainAfter / 2);
        }
    }

    /// <summary>Once more, at the place where the partition is by now.</summary>
    private void SendAgain(ulong number, PendingOperation pending, DateTimeOffset now)
    {
        if (!pending.MayBeSent)
        {
            return;
        }

        if (_node.TryTellHere(pending.Operation.Key, pending.Operation))
        {
            _pending.Remove(number);
        }
        else
        {
            Send(number, pending, now);
        }
    }

    private void Send(ulong number, PendingOperation pending, DateTimeOffset now)
    {
        if (_others.Add(number, pending, now))
        {
            Self.Tell(SendGathered.Instance, ActorRefs.NoSender);
        }
    }

    private void OnPartitionHere(int partition)
    {
        // Where it is on this node, its entry in the node's table is found first.
        if (!_others.TryEnter(partition, Sender.Equals(Self) ? null : Sender))
        {
            return;   // nobody has asked for it
        }

        var now = _node.Steady.Now;
        foreach (var (number, pending) in _pending)
        {
            if (pending.Partition == partition)
            {
                SendAgain(number, pending, now);
            }
        }
    }

    private void OnAsk(Ask ask)
    {
        try
        {
            var operations = CounterWire.ReadOperations(ask.Bytes);
            operations.ForEach(one => MustBeKnown(one.Operation.Key));
            _questions.Ask(Sender, operations);
        }
        catch (InvalidDataException damaged)
        {
            Damaged(damaged);
        }
    }

    private void OnAnswers(Answers message)
    {
        List<WireAnswer> answers;
        try
        {
            answers = CounterWire.ReadAnswers(message.Bytes);
        }
        catch (InvalidDataException damaged)
        {
            Damaged(damaged);
            return;
        }

        foreach (var answer in answers)
        {
            if (!_pending.TryGetValue(answer.Number, out var pending))
            {
                continue;
            }

            if (answer.Kind == WireAnswerKind.NotHere)
            {
                pending.WasSent = false;
                _others.Forget(pending.Partition, Sender);
                continue;
            }

            _pending.Remove(answer.Number);
            _outboxes.Acknowledge(pending);
            Take(answer, pending.Operation);
        }

        _others.OnAnswer(Sender);
    }

    private void Take(in WireAnswer answer, CounterOperation operation)
    {
        switch (operation)
        {
            case ReserveOperation reserve:
                reserve.Life = answer.Life;
                break;
            case InspectOperation inspect:
                (inspect.Reserved, inspect.Mails) = (answer.Other, answer.Mails);
                break;
            case SetSumsOperation set:
                (set.Before, set.After) = (answer.Other, answer.Value.Total);
                break;
        }

        if (!operation.TryAnswer(answer.Value) && operation is AddOperation add && answer.Value.State == CounterState.Stale)
        {
            // Its asker has gone on with the mail, which is counted whatever the sums are.
            add.Admission = null;
            Post([add]);
        }
    }

    private void OnAskAgain()
    {
        var now = _node.Steady.Now;
        foreach (var (number, pending) in _pending)
        {
            if (pending.Operation is not AddOperation && !pending.Operation.IsOpen)
            {
                _pending.Remove(number);
            }
            else if (now - pending.SentAt >= _node.Settings.AskAgainAfter)
            {
                // Its node may be gone: where the partition is now is asked anew.
                _others.Forget(pending.Partition, null);
                SendAgain(number, pending, now);
            }
        }

        _others.SendAll();
        _outboxes.Fill(_pending.Values.Where(one => now - one.Since >= _node.Settings.KeepAfter));
        if (_pending.Count == 0)
        {
            Timers.Cancel(AskAgain.Instance);
        }
    }

    // Numbers only rise, so that the oldest is found by going on from the last one.
    private void ForgetOldest()
    {
        while (!_pending.Remove(_oldest))
        {
            _oldest++;
        }

        if (_givenUp.Enter(out var more))
        {
            CounterLog.NotAcknowledged(_logger, MostPending, more);
        }
    }

    // Another node is configured otherwise: an owner here would have no table to load from.
    private void MustBeKnown(CounterKey key)
    {
        if (!_node.HasConnection(key.Connection))
        {
            throw new InvalidDataException($"it is for the connection \"{key.Connection}\", which this node does not have");
        }
    }

    private void Damaged(InvalidDataException damaged) => Damaged(damaged.Message);

    private void Damaged(string fault)
    {
        if (_damaged.Enter(out var more))
        {
            CounterLog.DamagedMessage(_logger, Sender.Path.Address.ToString(), fault, more);
        }
    }

    private void OnRelease(CounterProtocol.Release release)
    {
        if (!_node.TryTellHere(release.Key, release))
        {
            _others.Tell(
                CounterPartition.Of(release.Key, _node.Settings.Shards),
                new Release(CounterWire.Write(release.Key, release.Mail, release.Window)));
        }
    }

    private void OnReleaseFromAfar(Release release)
    {
        try
        {
            var (key, mail, window) = CounterWire.ReadRelease(release.Bytes);
            MustBeKnown(key);
            _node.TryTellHere(key, new CounterProtocol.Release(key, mail, window));
        }
        catch (InvalidDataException damaged)
        {
            Damaged(damaged);
        }
    }

    private void OnFindOwner(FindOwner find)
    {
        try
        {
            Sender.Tell(new OwnerFound(_node.Owners.Find(CounterWire.ReadKey(find.Bytes)) is not null), Self);
        }
        catch (InvalidDataException damaged)
        {
            Damaged(damaged);
        }
    }

    private sealed class SendGathered : INoSerializationVerificationNeeded
    {
        public static readonly SendGathered Instance = new();
    }

    private sealed class AskAgain : INoSerializationVerificationNeeded
    {
        public static readonly AskAgain Instance = new();
    }
}
