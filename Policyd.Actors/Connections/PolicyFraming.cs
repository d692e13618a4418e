using Akka.Streams;
using Akka.Streams.Stage;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// Bytes in any cut to requests, around the protocol's framer. Fails with <see cref="BadRequestException"/> at the first
/// malformed request (those before it are still delivered) and when the bytes end in the middle of one. The incoming bytes
/// are borrowed: they are copied into the framer before the next pull, so that the socket may use its buffer again.
/// (Akka's own Framing.Delimiter scans from the start again on every read and concatenates ropes; it costs a third of the
/// throughput.)
/// </summary>
internal sealed class PolicyFraming(RequestLimits limits, TimeSpan receiveTimeout, ManagedConnection? connection = null)
    : GraphStage<FlowShape<ReceivedBytes, PolicyRequest>>
{
    private readonly Inlet<ReceivedBytes> _in = new("PolicyFraming.in");
    private readonly Outlet<PolicyRequest> _out = new("PolicyFraming.out");

    public override FlowShape<ReceivedBytes, PolicyRequest> Shape => new(_in, _out);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) =>
        new Logic(this, limits, (long)receiveTimeout.TotalMilliseconds, connection);

    private sealed class Logic : InAndOutGraphStageLogic
    {
        private readonly PolicyFraming _stage;
        private readonly RequestLimits _limits;
        private readonly long _receiveTimeout;
        private readonly ManagedConnection? _connection;
        private readonly RequestFramer _framer;

        public Logic(PolicyFraming stage, RequestLimits limits, long receiveTimeout, ManagedConnection? connection)
            : base(stage.Shape)
        {
            (_stage, _limits, _receiveTimeout, _connection) = (stage, limits, receiveTimeout, connection);
            _framer = new RequestFramer(limits);
            SetHandler(stage._in, this);
            SetHandler(stage._out, this);
        }

        public override void OnPush()
        {
            _framer.Append(Grab(_stage._in).Span);
            Emit();
        }

        public override void OnPull() => Emit();

        public override void OnUpstreamFinish()
        {
            // Upstream may end while complete requests wait for the demand: those are still asked for, see Emit.
            if (!IsAvailable(_stage._out))
            {
                return;
            }

            End();
        }

        private void Emit()
        {
            switch (_framer.TryRent(out var frame, out var length, out var error))
            {
                case FrameStatus.Frame:
                    _connection?.Received();
                    if (PolicyRequestReader.TryReadRented(frame!, length, _limits, out var request, out error))
                    {
                        Push(_stage._out, request!);
                    }
                    else
                    {
                        FailStage(new BadRequestException(error!.Message, truncated: false));
                    }

                    break;
                case FrameStatus.Malformed:
                    FailStage(new BadRequestException(error!.Message, truncated: false));
                    break;
                default:
                    NeedMore();
                    break;
            }
        }

        private void NeedMore()
        {
            if (IsClosed(_stage._in))
            {
                End();
                return;
            }

            if (_framer.HasPartial)
            {
                _connection?.Receiving(Environment.TickCount64, _receiveTimeout);
            }

            Pull(_stage._in);
        }

        private void End()
        {
            if (_framer.HasPartial)
            {
                FailStage(new BadRequestException("the connection closed in the middle of a request", truncated: true));
            }
            else
            {
                CompleteStage();
            }
        }
    }
}
