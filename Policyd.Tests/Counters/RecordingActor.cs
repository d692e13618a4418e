using System.Collections.Concurrent;
using Akka.Actor;

namespace Policyd.Tests.Counters;

/// <summary>Stands for an owner, an asker or the log: keeps what it is told.</summary>
internal sealed class RecordingActor(ConcurrentQueue<object> told) : UntypedActor
{
    protected override void OnReceive(object message) => told.Enqueue(message);
}

/// <summary>A <see cref="RecordingActor"/> and what it was told.</summary>
internal sealed class Recorder
{
    private readonly ConcurrentQueue<object> _told = new();

    public Recorder(ActorSystem system)
    {
        var told = _told;
        Self = system.ActorOf(Props.Create(() => new RecordingActor(told)));
    }

    public IActorRef Self { get; }

    public IReadOnlyList<object> Told => [.. _told];

    public IReadOnlyList<T> All<T>() => [.. _told.OfType<T>()];
}
