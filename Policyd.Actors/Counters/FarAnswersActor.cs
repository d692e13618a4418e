using Akka.Actor;
using Policyd.Actors.Dispatching;

namespace Policyd.Actors.Counters;

/// <summary>
/// Sends answers back to the nodes that have asked, all that are there in one message for each node. Its mailbox runs at the end of the
/// turn in which the first of them was answered (<see cref="SenderTurn"/>): by then a commit has answered all of its adds.
/// </summary>
internal sealed class FarAnswersActor : UntypedActor
{
    private readonly FarQuestions _questions;
    private readonly IActorRef _post;
    private readonly WireBatch _next = new();

    private FarAnswersActor(FarQuestions questions, IActorRef post) => (_questions, _post) = (questions, post);

    public static Props Props(FarQuestions questions, IActorRef post, ActorSystem system) =>
        Akka.Actor.Props.CreateBy(new Producer<FarAnswersActor>(() => new FarAnswersActor(questions, post)))
            .WithDispatcher(SenderDispatcher.Of(system).Id);

    protected override void OnReceive(object message)
    {
        var answered = _questions.TakeAnswered();
        while (answered is not null)
        {
            answered = SendTo(answered.Asker, answered);
        }
    }

    /// <returns>Those of other nodes.</returns>
    private FarQuestion? SendTo(IActorRef asker, FarQuestion? answered)
    {
        FarQuestion? others = null;
        while (answered is { } question)
        {
            answered = question.Next;
            if (!asker.Equals(question.Asker))
            {
                (question.Next, others) = (others, question);
                continue;
            }

            _next.Add(question.Answer);
            if (_next.IsFull)
            {
                Post(asker);
            }
        }

        if (_next.Count > 0)
        {
            Post(asker);
        }

        return others;
    }

    private void Post(IActorRef asker) => asker.Tell(new CounterPostProtocol.Answers(_next.Take()), _post);

    /// <summary>Something has been answered.</summary>
    internal sealed class Send : INoSerializationVerificationNeeded
    {
        public static readonly Send Instance = new();
    }
}
