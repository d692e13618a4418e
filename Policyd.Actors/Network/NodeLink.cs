using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;

namespace Policyd.Actors.Network;

/// <summary>Akka's connection to another node: each payload is a frame. One that cannot be written Akka keeps, and tries again.</summary>
internal sealed class NodeLink : AssociationHandle, IFrameListener
{
    private readonly FramedStream _frames;
    private IHandleEventListener? _listener;

    public NodeLink(Address local, Address remote, FramedStream frames)
        : base(local, remote)
    {
        _frames = frames;
        _ = BeginAsync();
    }

    public override bool Write(ByteString payload) => _frames.TryWrite([], payload.Span);

    [Obsolete("Akka's other overload calls this one.")]
    public override void Disassociate() => _frames.End();

    void IFrameListener.OnFrame(ReadOnlySpan<byte> frame) => _listener!.Notify(new InboundPayload(ByteString.CopyFrom(frame)));

    void IFrameListener.OnLost() => _listener!.Notify(new Disassociated(DisassociateInfo.Unknown));

    private async Task BeginAsync()
    {
        _listener = await ReadHandlerSource.Task.ConfigureAwait(false);
        _frames.Begin(this);
    }
}
