using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The way between the nodes of a cluster, one on each: sends what is asked here to the owners on other nodes, one message for each node,
/// and has what comes from there done by the owners here. Where a partition lives it asks Cluster Sharding once. What is not answered is
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

    private readonly CounterNode _node;
    private readonly ICounters _here;
    private readonly IActorRef _region;
    private readonly Dictionary<ulong, PendingOperation> _pending = [];
    private readonly Dictionary<int, Place> _places = [];
    private readonly ILogger _logger;
    private readonly LogThrottle _damaged = new(TimeProvider.System);
    private readonly LogThrottle _givenUp = new(TimeProvider.System);
    private readonly Outboxes _outboxes;
    private ulong _number;
    private ulong _oldest;

    private CounterPostActor(CounterNode node, IActorRef region, ILogger logger) =>
        (_node, _region, _logger, _here, _outboxes) = (node, region, logger, new Here(node), new Outboxes(node, Self, logger));

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(CounterNode node, IActorRef region, ILogger logger) =>
        Akka.Actor.Props.CreateBy(new Producer<CounterPostActor>(() => new CounterPostActor(node, region, logger)));

    // What is not acknowledged is the next life's.
    protected override void PostStop() => _outboxes.Leave(_pending.Values);

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
            case Done done:
                done.Asker.Tell(new Answers(CounterWire.Write(done.Answers)), Self);
                break;
            case Answers answers:
                OnAnswers(answers);
                break;
            case Release release:
                OnReleaseFromAfar(release);
                break;
            case AskAgain:
                OnAskAgain();
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

    private void Post(List<CounterOperation> operations)
    {
        var numbers = new List<ulong>(operations.Count);
        foreach (var operation in operations)
        {
            // A partition that moves tells what it cannot take any more here, also what came from afar: then its asker asks again.
            if (_node.TryTellHere(operation.Key, operation))
            {
                continue;
            }

            numbers.Add(++_number);
            var partition = CounterPartition.Of(operation.Key, _node.Settings.Shards);
            _pending.Add(_number, new PendingOperation(operation, partition, _node.Steady.Now));
        }

        while (_pending.Count > MostPending)
        {
            ForgetOldest();
        }

        Send(numbers);
        if (_pending.Count > 0 && !Timers.IsTimerActive(AskAgain.Instance))
        {
            Timers.StartPeriodicTimer(AskAgain.Instance, AskAgain.Instance, _node.Settings.AskAgainAfter / 2);
        }
    }

    /// <summary>Once more, at the place where the partition is by now.</summary>
    private void SendAgain(List<ulong> numbers)
    {
        var elsewhere = new List<ulong>(numbers.Count);
        foreach (var number in numbers)
        {
            var pending = _pending[number];
            if (!pending.MayBeSent)
            {
                continue;
            }

            if (_node.TryTellHere(pending.Operation.Key, pending.Operation))
            {
                _pending.Remove(number);
            }
            else
            {
                elsewhere.Add(number);
            }
        }

        Send(elsewhere);
    }

    /// <summary>One message to each node; those whose node is not known wait until it is.</summary>
    private void Send(List<ulong> numbers)
    {
        var byNode = new Dictionary<IActorRef, List<(ulong Number, CounterOperation Operation)>>();
        foreach (var number in numbers)
        {
            var pending = _pending[number];
            pending.SentAt = _node.Steady.Now;
            if (PlaceOf(pending.Partition) is { } post)
            {
                if (!byNode.TryGetValue(post, out var batch))
                {
                    byNode.Add(post, batch = []);
                }

                pending.WasSent = true;
                batch.Add((number, pending.Operation));
            }
        }

        foreach (var (post, batch) in byNode)
        {
            foreach (var part in batch.Chunk(CounterWire.MostOperations))
            {
                post.Tell(new Ask(CounterWire.Write(part)), Self);
            }
        }
    }

    private IActorRef? PlaceOf(int partition)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            _places.Add(partition, place = new Place());
        }

        if (place.Post is null && _node.Steady.Now - place.AskedAt >= _node.Settings.AskAgainAfter)
        {
            place.AskedAt = _node.Steady.Now;
            _region.Tell(new FindPartition(partition), Self);
        }

        return place.Post;
    }

    private void OnPartitionHere(int partition)
    {
        if (!_places.TryGetValue(partition, out var place))
        {
            return;   // nobody has asked for it
        }

        // Where it is on this node, its entry in the node's table is found first.
        place.Post = Sender.Equals(Self) ? null : Sender;
        SendAgain([.. _pending.Where(one => one.Value.Partition == partition).Select(static one => one.Key)]);
    }

    private void OnAsk(Ask ask)
    {
        var asker = Sender;
        List<(ulong Number, CounterOperation Operation)> operations;
        try
        {
            operations = CounterWire.ReadOperations(ask.Bytes);
        }
        catch (InvalidDataException damaged)
        {
            Damaged(damaged);
            return;
        }

        DoAsync(operations).PipeTo(Self, success: answers => new Done(asker, answers));
    }

    private async Task<IReadOnlyList<WireAnswer>> DoAsync(List<(ulong Number, CounterOperation Operation)> operations)
    {
        using var timeout = new CancellationTokenSource(_node.Settings.AskTimeout);
        var phase = new CounterPhase();
        var answers = new List<WireAnswer>(operations.Count);
        foreach (var (number, operation) in operations)
        {
            if (_node.Partitions.Of(operation.Key, _node.Settings.Shards) is null)
            {
                answers.Add(new WireAnswer(number, WireAnswerKind.NotHere, default));
            }
            else
            {
                phase.Put(operation);
            }
        }

        await phase.RunAsync(_here, timeout.Token).ConfigureAwait(false);
        foreach (var (number, operation) in operations)
        {
            // What has not been answered here is asked again there.
            if (operation.Phase is not null && operation.IsAnswered)
            {
                answers.Add(AnswerOf(number, operation));
            }
        }

        return answers;
    }

    private static WireAnswer AnswerOf(ulong number, CounterOperation operation)
    {
        var answer = new WireAnswer(number, WireAnswerKind.Answer, operation.Answer);
        return operation switch
        {
            ReserveOperation reserve => answer with { Life = reserve.Life },
            InspectOperation inspect => answer with { Other = inspect.Reserved, Mails = inspect.Mails },
            SetSumsOperation set => answer with { Other = set.Before },
            _ => answer,
        };
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
                ForgetPlace(pending.Partition, Sender);
                continue;
            }

            _pending.Remove(answer.Number);
            _outboxes.Acknowledge(pending);
            Take(answer, pending.Operation);
        }
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
        var again = new List<ulong>();
        foreach (var (number, pending) in _pending)
        {
            if (pending.Operation is not AddOperation && !pending.Operation.IsOpen)
            {
                _pending.Remove(number);
            }
            else if (now - pending.SentAt >= _node.Settings.AskAgainAfter)
            {
                // Its node may be gone: where the partition is now is asked anew.
                ForgetPlace(pending.Partition, null);
                again.Add(number);
            }
        }

        SendAgain(again);
        _outboxes.Fill(_pending.Values.Where(one => now - one.Since >= _node.Settings.KeepAfter));
        if (_pending.Count == 0)
        {
            Timers.Cancel(AskAgain.Instance);
        }
    }

    private void ForgetPlace(int partition, IActorRef? ifIt)
    {
        if (_places.TryGetValue(partition, out var place) && (ifIt is null || ifIt.Equals(place.Post)))
        {
            place.Post = null;
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

    private void Damaged(InvalidDataException damaged)
    {
        if (_damaged.Enter(out var more))
        {
            CounterLog.DamagedMessage(_logger, Sender.Path.Address.ToString(), damaged.Message, more);
        }
    }

    private void OnRelease(CounterProtocol.Release release)
    {
        if (!_node.TryTellHere(release.Key, release)
            && PlaceOf(CounterPartition.Of(release.Key, _node.Settings.Shards)) is { } post)
        {
            post.Tell(new Release(CounterWire.Write(release.Key, release.Mail, release.Window)), Self);
        }
    }

    private void OnReleaseFromAfar(Release release)
    {
        try
        {
            var (key, mail, window) = CounterWire.ReadRelease(release.Bytes);
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

    /// <summary>The owners on this node, and no others: what comes from afar is not sent on.</summary>
    private sealed class Here(CounterNode node) : ICounters
    {
        public void Send(CounterPhase phase)
        {
            foreach (var operation in phase)
            {
                node.TryTellHere(operation.Key, operation);
            }
        }

        public void Release(CounterKey key, MailId mail, CounterWindow? window = null) =>
            node.TryTellHere(key, new CounterProtocol.Release(key, mail, window));

        public bool KnowsFormerIds(string connection) => node.KnowsFormerIds(connection);
    }

    private sealed class Place
    {
        public IActorRef? Post { get; set; }

        public DateTimeOffset AskedAt { get; set; } = DateTimeOffset.MinValue;
    }

    private sealed record Done(IActorRef Asker, IReadOnlyList<WireAnswer> Answers) : INoSerializationVerificationNeeded;

    private sealed class AskAgain : INoSerializationVerificationNeeded
    {
        public static readonly AskAgain Instance = new();
    }
}
