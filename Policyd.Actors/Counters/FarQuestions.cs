using Akka.Actor;
using Policyd.Actors.Dispatching;
using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// What other nodes ask of the owners here. Each operation is answered by itself, so that one which waits for the database holds up none
/// that came with it. One that gets no answer is asked again by its node. Answers come on any thread and are taken all at once, by the <see
/// cref="FarAnswersActor"/>.
/// </summary>
internal sealed class FarQuestions
{
    // What a turn runs besides the owners: the writers, and the actor that sends the answers.
    private const int OtherRuns = 16;

    private readonly CounterNode _node;
    private readonly IActorRef _post;
    private readonly IActorRef _sender;
    private FarQuestion? _answered;

    /// <param name="node">The node.</param>
    /// <param name="context">The post, whose child sends the answers.</param>
    public FarQuestions(CounterNode node, IActorContext context)
    {
        (_node, _post) = (node, context.Self);
        _sender = context.ActorOf(FarAnswersActor.Props(this, _post, context.System), "answers");
    }

    /// <summary>Hands operations to the owners here, and to no others: what comes from afar is not sent on.</summary>
    public void Ask(IActorRef asker, List<(ulong Number, CounterOperation Operation)> operations)
    {
        var isAnswered = false;
        _node.CountFromAfar(operations.Count);

        // All of their owners run in it, so that what they answer at once goes back at once.
        using (SenderTurn.Begin(operations.Count + OtherRuns))
        {
            foreach (var (number, operation) in operations)
            {
                var question = new FarQuestion(this, asker, number);
                operation.Asker = question;
                if (_node.Partitions.Of(operation.Key, _node.Settings.Shards) is null || !_node.TryTellHere(operation.Key, operation))
                {
                    Add(question);
                    isAnswered = true;
                }
            }
        }

        // The asker holds back what it asks next until it hears from here. Of adds alone it does not wait for an answer.
        if (!isAnswered
            && operations.Exists(static one => one.Operation is not AddOperation)
            && !operations.Exists(static one => one.Operation.IsAnswered))
        {
            asker.Tell(new CounterPostProtocol.Answers(new WireBatch().Take()), _post);
        }
    }

    /// <summary>All that has been answered since the last call, as a chain.</summary>
    public FarQuestion? TakeAnswered() => Interlocked.Exchange(ref _answered, null);

    /// <summary>The answer is there; the first of them wakes the actor that sends them.</summary>
    public void Add(FarQuestion question)
    {
        FarQuestion? last;
        do
        {
            question.Next = last = Volatile.Read(ref _answered);
        }
        while (Interlocked.CompareExchange(ref _answered, question, last) != last);

        if (last is null)
        {
            _sender.Tell(FarAnswersActor.Send.Instance, ActorRefs.NoSender);
        }
    }
}

/// <summary>One operation of another node, and its answer's way back.</summary>
/// <param name="all">Where it goes when it is answered.</param>
/// <param name="asker">The post of that node.</param>
/// <param name="number">What the post knows it by.</param>
internal sealed class FarQuestion(FarQuestions all, IActorRef asker, ulong number) : IOperationAsker
{
    private CounterOperation? _operation;

    public IActorRef Asker => asker;

    /// <summary>The next in a chain.</summary>
    public FarQuestion? Next { get; set; }

    /// <summary>What goes back; without an operation that was answered, its partition is not here.</summary>
    public WireAnswer Answer
    {
        get
        {
            var answer = new WireAnswer(number, WireAnswerKind.Answer, _operation?.Answer ?? default);
            return _operation switch
            {
                null => answer with { Kind = WireAnswerKind.NotHere },
                ReserveOperation reserve => answer with { Life = reserve.Life },
                InspectOperation inspect => answer with { Other = inspect.Reserved, Mails = inspect.Mails },
                SetSumsOperation set => answer with { Other = set.Before },
                _ => answer,
            };
        }
    }

    void IOperationAsker.OnAnswered(CounterOperation operation)
    {
        _operation = operation;
        all.Add(this);
    }
}
