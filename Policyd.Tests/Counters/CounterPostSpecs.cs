using System.Collections.Concurrent;
using System.Diagnostics;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Actors.Network;
using Policyd.Counting.Owners;
using Policyd.Counting.Spool;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Tests.Counters;

/// <summary>The post of a node, beside another that is slow, damaged, or gone.</summary>
public sealed class CounterPostSpecs : IAsyncLifetime
{
    private static readonly CounterKey Key = new("db", "acct_sender", "a@example.com");
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ActorSystem _system = ActorSystem.Create("post", "akka { loglevel = OFF, stdout-loglevel = OFF }");
    private readonly LogCapture _lines = new();
    private readonly Recorder _region;
    private readonly Recorder _other;
    private readonly CounterNode _node;
    private readonly IActorRef _post;

    public CounterPostSpecs()
    {
        (_region, _other) = (new Recorder(_system), new Recorder(_system));
        var store = new PreparedStore("db", new ScriptedCounterStore(), _lines.CreateLogger("store"));
        _node = new CounterNode(
            new Dictionary<string, CounterConnection> { ["db"] = new(store, ActorRefs.Nobody, ActorRefs.Nobody) },
            new CounterSettings { AskAgainAfter = TimeSpan.FromMilliseconds(40) },
            TimeProvider.System,
            isClustered: true);
        _post = _system.ActorOf(CounterPostActor.Props(_node, _region.Self, _lines.CreateLogger("post")));
    }

    private IReadOnlyList<ulong> Asked => [.. _other.All<Ask>().SelectMany(Numbers)];

    private IReadOnlyList<CounterOperation> Operations =>
        [.. _other.All<Ask>().SelectMany(static ask => CounterWire.ReadOperations(ask.Bytes)).Select(static one => one.Operation)];

    private IReadOnlyList<WireAnswer> Answers =>
        [.. _other.All<Answers>().SelectMany(static answers => CounterWire.ReadAnswers(answers.Bytes))];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _lines.Dispose();
    }

    [Fact]
    public async Task Answer_that_comes_after_the_question_was_asked_again_is_taken()
    {
        var add = new AddOperation(Key, Month, One, MailId.Of("m"), 1);
        await AskUntil(add, times: 3);
        Assert.Single(Asked.Distinct());
        Answer(Asked[0], One);
        await Eventually.Holds("the answer", () => add.Answer == CounterAnswer.Known(One));
    }

    [Fact]
    public async Task Set_of_an_operator_is_sent_once_for_what_is_counted_meanwhile_must_stay()
    {
        var set = new SetSumsOperation(Key, Month, One, CounterSums.All);
        var read = new ReadOperation(Key, Month);
        await AskUntil(set, times: 1);
        await AskUntil(read, times: 4);
        Assert.Single(Asked, Asked[0]);
        Answer(Asked[0], One);
        await Eventually.Holds("the answer", () => set.IsAnswered);
    }

    [Fact]
    public async Task Question_whose_partition_is_not_there_any_more_is_asked_where_it_is_now()
    {
        var read = new ReadOperation(Key, Month);
        await AskUntil(read, times: 1);
        _post.Tell(new Answers(WireBytes.Of([new WireAnswer(Asked[0], WireAnswerKind.NotHere, default)])), _other.Self);
        var third = new Recorder(_system);
        await Eventually.Holds("another node to be asked", () =>
        {
            _post.Tell(new PartitionHere(Partition), third.Self);
            return third.All<Ask>().Count > 0;
        });
    }

    [Fact]
    public async Task Question_to_a_node_that_has_ended_is_asked_where_its_partition_is_now()
    {
        var post = await PostThatHasAsked(isAnswered: false);
        var before = _region.All<FindPartition>().Count;
        _system.Stop(_other.Self);
        await Eventually.Holds("its partition to be asked for", () => _region.All<FindPartition>().Count > before);
        var third = new Recorder(_system);
        post.Tell(new PartitionHere(Partition), third.Self);
        await Eventually.Holds("another node to be asked", () => third.All<Ask>().Count > 0);
    }

    [Fact]
    public async Task Partition_that_moves_is_asked_for_again_until_somebody_tells_where_it_is()
    {
        var post = await PostThatHasAsked(isAnswered: false);
        post.Tell(new Answers(WireBytes.Of([new WireAnswer(1, WireAnswerKind.NotHere, default)])), _other.Self);
        var before = _region.All<FindPartition>().Count;
        await Eventually.Holds("the partition to be asked for again", () => _region.All<FindPartition>().Count > before + 2);
        var third = new Recorder(_system);
        post.Tell(new PartitionHere(Partition), third.Self);
        await Eventually.Holds("another node to be asked", () => third.All<Ask>().Count > 0);
    }

    [Fact]
    public async Task Mail_whose_asker_has_gone_on_is_counted_whatever_the_sums_are()
    {
        var add = Checked("m");
        using var patience = new CancellationTokenSource();
        var phase = new CounterPhase();
        phase.Put(add);
        var running = phase.RunAsync(new Posting(_post), patience.Token);
        await Eventually.Holds("the other node to be asked", () =>
        {
            _post.Tell(new PartitionHere(Partition), _other.Self);
            return Asked.Count > 0;
        });
        await patience.CancelAsync();
        await running;
        var stale = new WireAnswer(Asked[0], WireAnswerKind.Answer, CounterAnswer.Stale);
        _post.Tell(new Answers(WireBytes.Of([stale])), _other.Self);
        await Eventually.Holds(
            "it to be sent without its check",
            () => Operations.Any(static one => one is AddOperation { Admission: null, RequestId: not null }));
        Assert.Contains(Operations, static one => one is AddOperation { Admission.Life: 5 });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Mail_in_the_outbox_that_was_checked_in_its_request_waits_for_the_next_owner(bool isChecked)
    {
        using var folder = new TemporaryFolder();
        var post = PostWithOutbox(folder);
        var add = isChecked ? Checked("m") : new AddOperation(Key, Month, One, MailId.Of("m"), 1);
        var phase = new CounterPhase();
        phase.Put(add);
        var running = phase.RunAsync(new Posting(post), Cancel);
        await Eventually.Holds(
            "the add to be on the disk",
            async () => (await post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel)).OnDisk == 1);
        if (!isChecked)
        {
            await Eventually.Holds("the mail to go on", () => running.IsCompleted);
            Assert.Equal(CounterState.Deferred, add.Answer.State);
            return;
        }

        // The actor has answered what it answers by itself before it counted.
        Assert.False(running.IsCompleted);
        await Eventually.Holds("the next owner to be asked", () =>
        {
            post.Tell(new PartitionHere(Partition), _other.Self);
            return Asked.Count > 0;
        });
        var stale = new WireAnswer(Asked[0], WireAnswerKind.Answer, CounterAnswer.Stale);
        post.Tell(new Answers(WireBytes.Of([stale])), _other.Self);
        await Eventually.Holds("the mail to be refused its count", () => running.IsCompleted);
        Assert.Equal(CounterAnswer.Stale, add.Answer);
        var waiting = await post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel);
        Assert.Equal(new AddsCounted(0, 0), waiting);
    }

    [Fact]
    public async Task Life_of_the_owner_comes_with_the_answer_to_a_check()
    {
        var check = new ReserveOperation(Key, Month, CounterMetric.Count, 1, One, MailId.Of("m"));
        await AskUntil(check, times: 1);
        var answer = new WireAnswer(Asked[0], WireAnswerKind.Answer, CounterAnswer.Known(default)) { Life = 77 };
        _post.Tell(new Answers(WireBytes.Of([answer])), _other.Self);
        await Eventually.Holds("the answer", () => check.IsAnswered);
        Assert.Equal(77ul, check.Life);
    }

    [Fact]
    public async Task What_waits_for_the_post_crosses_in_one_message()
    {
        var post = await PostThatHasAsked(isAnswered: true);

        // As it is while the processors are busy with something else.
        ((IInternalActorRef)post).Suspend();
        for (var read = 0; read < 100; read++)
        {
            post.Tell(new ReadOperation(Key, Month), ActorRefs.NoSender);
        }

        ((IInternalActorRef)post).Resume();
        await Eventually.Holds("the other node to be asked", () => Later.Any());
        Assert.Equal(100, Later.First());
    }

    [Fact]
    public async Task What_comes_while_a_node_has_a_question_waits_for_the_answer()
    {
        var post = await PostThatHasAsked(isAnswered: false);
        for (var read = 0; read < 3; read++)
        {
            post.Tell(new ReadOperation(Key, Month), ActorRefs.NoSender);
            await post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel);
        }

        Assert.Empty(Later);
        post.Tell(new Answers(WireBytes.Of(Array.Empty<WireAnswer>())), _other.Self);
        await Eventually.Holds("the other node to be asked", () => Later.Any());
        Assert.Equal(3, Later.First());
    }

    [Fact]
    public async Task Node_that_is_asked_all_the_time_gets_no_more_messages_than_its_pace_allows()
    {
        var post = await PostThatHasAsked(isAnswered: true);
        var since = Stopwatch.StartNew();
        for (var add = 1; add <= 3000; add++)
        {
            post.Tell(new AddOperation(Key, Month, One, MailId.Of($"{add}"), (ulong)add), ActorRefs.NoSender);
            await post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel);
        }

        await Eventually.Holds("all of them to cross", () => Later.Sum() == 3000);
        Assert.InRange(Later.Count(), 1, 8 + (since.Elapsed.TotalMilliseconds * 2));
    }

    [Fact]
    public void Few_messages_wait_for_nothing_and_many_go_out_at_a_pace()
    {
        var now = Stopwatch.GetTimestamp();
        var pace = new MessagePace(now);
        Assert.All(Enumerable.Range(0, 8), _ => Assert.True(pace.TrySend(now)));
        Assert.False(pace.TrySend(now));
        now += Stopwatch.Frequency / 1000;
        Assert.Equal([true, true, false], [pace.TrySend(now), pace.TrySend(now), pace.TrySend(now)]);
        now += Stopwatch.Frequency * 60;
        Assert.Equal(8, Enumerable.Range(0, 100).Count(_ => pace.TrySend(now)));
    }

    [Fact]
    public async Task Node_that_can_answer_nothing_at_once_says_so()
    {
        var owners = new Recorder(_system);
        _node.Partitions.Enter(Partition, owners.Self);
        _post.Tell(new Ask(WireBytes.Of([(1, new AddOperation(Key, Month, One, MailId.Of("m"), 1))])), _other.Self);
        _post.Tell(new Ask(WireBytes.Of([(2, new ReadOperation(Key, Month))])), _other.Self);
        await Eventually.Holds("a message", () => _other.All<Answers>().Count > 0);
        Assert.Empty(Answers);
        Assert.Single(owners.All<AddOperation>());
        Assert.Single(_other.All<Answers>());
    }

    // A server that nobody asks collects all garbage and stands still for it.
    [Fact]
    public async Task Node_knows_that_others_ask_it()
    {
        var owners = new Recorder(_system);
        _node.Partitions.Enter(Partition, owners.Self);
        _post.Tell(
            new Ask(WireBytes.Of([(1, new AddOperation(Key, Month, One, MailId.Of("m"), 1)), (2, new ReadOperation(Key, Month))])),
            _other.Self);
        await Eventually.Holds("the owner to be asked", () => owners.All<ReadOperation>().Count > 0);
        Assert.Equal(2, _node.AskedFromAfar);
    }

    [Fact]
    public async Task Operations_that_cross_together_are_answered_each_when_its_answer_is_there()
    {
        var owners = new Recorder(_system);
        _node.Partitions.Enter(Partition, owners.Self);
        var away = Enumerable.Range(0, 1000).Select(static number => Key with { Key = $"{number}@example.com" })
            .First(static key => CounterPartition.Of(key, new CounterSettings().Shards) != Partition);
        _post.Tell(
            new Ask(WireBytes.Of(
                [(1, new ReadOperation(Key, Month)), (2, new ReadOperation(away, Month)), (3, new ReadOperation(Key, Month))])),
            _other.Self);
        await Eventually.Holds("the owners to be asked", () => owners.All<ReadOperation>().Count == 2);
        owners.All<ReadOperation>()[1].TryAnswer(CounterAnswer.Known(One));
        await Eventually.Holds("the answers", () => Answers.Count == 2);
        Assert.Equal(
            [new WireAnswer(2, WireAnswerKind.NotHere, default), new WireAnswer(3, WireAnswerKind.Answer, CounterAnswer.Known(One))],
            Answers);
        owners.All<ReadOperation>()[0].TryAnswer(CounterAnswer.Known(default));
        await Eventually.Holds("the last answer", () => Answers.Count == 3);
        Assert.Equal(1ul, Answers[2].Number);
    }

    [Fact]
    public async Task Message_that_cannot_be_read_is_told_once_in_a_while_and_the_others_are_served()
    {
        for (var message = 0; message < 50; message++)
        {
            _post.Tell(new Ask([99]), _other.Self);
            _post.Tell(new Answers([3, 7]), _other.Self);
            _post.Tell(new CounterPostProtocol.Release([]), _other.Self);
        }

        var read = new ReadOperation(Key, Month);
        await AskUntil(read, times: 1);
        Answer(Asked[0], One);
        await Eventually.Holds("the answer", () => read.IsAnswered);
        var line = Assert.Single(_lines.Lines, static line => line.Level == LogLevel.Warning);
        Assert.Contains("counters: a message of ", line.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Message_for_a_connection_that_is_not_configured_here_is_told()
    {
        var key = Key with { Connection = "db2" };
        _post.Tell(new Ask(WireBytes.Of([(1, new ReadOperation(key, Month))])), _other.Self);
        _post.Tell(new CounterPostProtocol.Release(CounterWire.Write(key, MailId.Of("m"), null)), _other.Self);
        await Eventually.Holds(
            "the line",
            () => _lines.Containing("it is for the connection \"db2\", which this node does not have").Count() == 1);
        Assert.Empty(_other.All<Answers>());
    }

    [Fact]
    public async Task Operator_is_told_how_many_adds_wait_for_other_nodes_and_whether_a_key_is_in_memory()
    {
        var add = new AddOperation(Key, Month, One, MailId.Of("m"), 1);
        await AskUntil(add, times: 1);
        await AskUntil(new ReadOperation(Key, Month), times: 1);
        Assert.Equal(1, (await _post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel)).Count);
        Answer(Asked[0], One);
        await Eventually.Holds(
            "no add to wait",
            async () => (await _post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel)).Count == 0);

        _post.Tell(new FindOwner([99]), _other.Self);   // damaged: no answer
        Assert.False((await _post.Ask<OwnerFound>(new FindOwner(CounterWire.Write(Key)), Eventually.Timeout, Cancel)).IsInMemory);
        Assert.Empty(_other.All<OwnerFound>());
    }

    [Theory]
    [InlineData("counter-post", 0)]
    [InlineData("counter-post-direct", 1)]
    public async Task Only_a_post_whose_name_says_that_it_takes_direct_connections_is_dialled(string name, int dialled)
    {
        var (dials, told) = (new ConcurrentQueue<Address>(), new ConcurrentQueue<object>());
        var direct = new DirectConnections();
        direct.ServedBy(node =>
        {
            dials.Enqueue(node);
            throw new NodeRefusedException("it is away");
        });
        var other = _system.ActorOf(Props.Create(() => new RecordingActor(told)), name);
        var post = _system.ActorOf(CounterPostActor.Props(_node, _region.Self, _lines.CreateLogger("post"), direct));
        post.Tell(new ReadOperation(Key, Month), ActorRefs.NoSender);
        post.Tell(new PartitionHere(Partition), other);
        await Eventually.Holds("the question, which goes through Akka meanwhile", () => told.Any(static one => one is Ask));
        await Eventually.Holds("the dial", () => dials.Count >= dialled);
        Assert.Equal(dialled > 0, !dials.IsEmpty);
    }

    [Fact]
    public async Task Frame_that_is_no_message_is_told_once_with_its_sender()
    {
        _post.Tell(new UnknownFrame("a message of the kind 9, which this version does not know"), _other.Self);
        _post.Tell(new UnknownFrame("a message without a kind"), _other.Self);
        await Eventually.Holds("the line", () => _lines.Containing("a message of the kind 9").Any());
        await _post.Ask<AddsCounted>(CountWaitingAdds.Instance, Eventually.Timeout, Cancel);
        Assert.Empty(_lines.Containing("a message without a kind"));
    }

    /// <summary>A post that writes adds to the disk almost at once.</summary>
    private IActorRef PostWithOutbox(TemporaryFolder folder)
    {
        var logger = _lines.CreateLogger("spool");
        var place = new SpoolPlace(new SpoolFolder(folder["spool"], 1024 * 1024), IsOfThisService: true);
        var connection = new CounterConnection(
            new PreparedStore("db", new ScriptedCounterStore(), logger),
            ActorRefs.Nobody,
            ActorRefs.Nobody,
            new ConnectionSpool(place, "db", "a database", TimeProvider.System, logger));
        var settings = new CounterSettings
        {
            AskAgainAfter = TimeSpan.FromMilliseconds(40),
            KeepAfter = TimeSpan.FromMilliseconds(40),
        };
        var node = new CounterNode(
            new Dictionary<string, CounterConnection> { ["db"] = connection }, settings, TimeProvider.System, isClustered: true);
        return _system.ActorOf(CounterPostActor.Props(node, _region.Self, logger));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>How many operations behind the first one each message has that has any.</summary>
    private IEnumerable<int> Later =>
        _other.All<Ask>().Select(ask => Numbers(ask).Count(static number => number > 1)).Where(static many => many > 0);

    /// <summary>A post of its own that asks nothing again, after its first question.</summary>
    private async Task<IActorRef> PostThatHasAsked(bool isAnswered)
    {
        var node = new CounterNode(
            new Dictionary<string, CounterConnection>(),
            new CounterSettings { AskAgainAfter = TimeSpan.FromHours(1) },
            TimeProvider.System,
            isClustered: true);
        var post = _system.ActorOf(CounterPostActor.Props(node, _region.Self, _lines.CreateLogger("post")));
        var read = new ReadOperation(Key, Month);
        post.Tell(read, ActorRefs.NoSender);
        post.Tell(new PartitionHere(Partition), _other.Self);
        await Eventually.Holds("the other node to be asked", () => Asked.Count > 0);
        if (isAnswered)
        {
            post.Tell(new Answers(WireBytes.Of([new WireAnswer(1, WireAnswerKind.Answer, CounterAnswer.Known(One))])), _other.Self);
            await Eventually.Holds("the answer", () => read.IsAnswered);
        }

        return post;
    }

    private static IEnumerable<ulong> Numbers(Ask ask) => CounterWire.ReadOperations(ask.Bytes).Select(static one => one.Number);

    private static int Partition => CounterPartition.Of(Key, new CounterSettings().Shards);

    /// <summary>Hands it over, and tells where its partition is, until the other node was asked so often.</summary>
    private Task AskUntil(CounterOperation operation, int times)
    {
        var before = Asked.Count;
        _post.Tell(operation, ActorRefs.NoSender);
        return Eventually.Holds($"the other node to be asked {times} times", () =>
        {
            _post.Tell(new PartitionHere(Partition), _other.Self);
            return Asked.Count - before >= times;
        });
    }

    private void Answer(ulong number, CounterAmounts total)
    {
        var answer = new WireAnswer(number, WireAnswerKind.Answer, CounterAnswer.Known(total));
        _post.Tell(new Answers(WireBytes.Of([answer])), _other.Self);
    }

    private static AddOperation Checked(string mail) => new(Key, Month, One, MailId.Of(mail), 1)
    {
        Admission = new ReserveOperation(Key, Month, CounterMetric.Count, 1, One, MailId.Of(mail)) { Life = 5 },
    };

    /// <summary>All goes to the post.</summary>
    private sealed class Posting(IActorRef post) : ICounters
    {
        public void Send(CounterPhase phase)
        {
            foreach (var operation in phase)
            {
                post.Tell(operation, ActorRefs.NoSender);
            }
        }

        public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
        {
        }

        public bool KnowsFormerIds(string connection) => false;
    }
}
