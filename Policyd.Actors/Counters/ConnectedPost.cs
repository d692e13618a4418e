using Akka.Actor;
using Policyd.Actors.Network;

namespace Policyd.Actors.Counters;

/// <summary>
/// The post of another node, as the sender of what comes on the direct connection that it has made. What it is told goes back on the same
/// one, or nowhere when that has ended: it asks again then.
/// </summary>
internal sealed class ConnectedPost : MinimalActorRef, IFrameListener
{
    private readonly FramedStream _connection;
    private readonly IActorRef _post;

    /// <param name="connection">The connection.</param>
    /// <param name="from">The other node's end of it.</param>
    /// <param name="post">The post of this node: it is told what comes.</param>
    /// <param name="provider">The system's.</param>
    public ConnectedPost(FramedStream connection, Address from, IActorRef post, IActorRefProvider provider)
    {
        (_connection, _post, Provider) = (connection, post, provider);
        Path = new RootActorPath(from) / post.Path.Name;
    }

    public override ActorPath Path { get; }

    public override IActorRefProvider Provider { get; }

    void IFrameListener.OnFrame(ReadOnlySpan<byte> frame) => _post.Tell(CounterFrames.Read(frame), this);

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is ICounterMessage answer)
        {
            CounterFrames.TryWrite(_connection, answer);
        }
    }
}
