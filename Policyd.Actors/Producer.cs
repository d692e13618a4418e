using Akka.Actor;

namespace Policyd.Actors;

/// <summary>Makes actors by a delegate: Props with constructor arguments would go through reflection for each.</summary>
internal sealed class Producer<TActor>(Func<TActor> create) : IIndirectActorProducer
    where TActor : ActorBase
{
    public Type ActorType => typeof(TActor);

    public ActorBase Produce() => create();

    public void Release(ActorBase actor)
    {
    }
}
