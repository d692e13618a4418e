using System.Diagnostics;
using System.Globalization;
using Akka.Streams;
using Akka.Streams.Stage;
using Policyd.Actors.Sessions;
using Policyd.Engine.Chain;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// Asks for each request of a connection and emits its answer, one after the other; owns the connection's deadlines, its end
/// after an error or a drain, and its lines in the log. Completing it closes the socket, once the last answer is written.
/// </summary>
internal sealed class RequestStage(ServerContext server, PolicyEndpoint listener, ManagedConnection connection, string peer)
    : GraphStage<FlowShape<PolicyRequest, byte[]>>
{
    private readonly Inlet<PolicyRequest> _in = new("Requests.in");
    private readonly Outlet<byte[]> _out = new("Requests.out");

    public override FlowShape<PolicyRequest, byte[]> Shape => new(_in, _out);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new Logic(this, server, listener, connection, peer);

    private sealed class Logic : InAndOutGraphStageLogic
    {
        private static readonly Session s_noSession = new();
        private readonly RequestStage _stage;
        private readonly ServerContext _server;
        private readonly PolicyEndpoint _listener;
        private readonly ManagedConnection _connection;
        private readonly string _peer;
        private readonly MailReservations _reservations;
        private ServingModel _serving;
        private Action<PendingRequest>? _answered;
        private PendingRequest? _asking;
        private long _askedAt;
        private int _answers;

        public Logic(RequestStage stage, ServerContext server, PolicyEndpoint listener, ManagedConnection connection, string peer)
            : base(stage.Shape)
        {
            (_stage, _server, _listener, _connection, _peer) = (stage, server, listener, connection, peer);
            _serving = server.Serving;
            _reservations = new MailReservations(_serving.Model.Counters);
            SetHandler(stage._in, this);
            SetHandler(stage._out, this);
        }

        private bool IsDraining => _connection.IsDraining || _server.Connections.IsDraining;

        public override void PreStart()
        {
            _connection.Attach(GetAsyncCallback<ConnectionSignal>(OnSignal));
            if (IsDraining)
            {
                CompleteStage();
                return;
            }

            WatchIdle();
        }

        public override void PostStop()
        {
            if (_asking is not null)
            {
                _asking.TryAbandon();
                _server.Statistics.Left();
            }
        }

        public override void OnPull()
        {
            // Demand comes back when the last answer has been written; by then the framing stage may have been asked already.
            if (_asking is null && !IsClosed(_stage._in) && !HasBeenPulled(_stage._in))
            {
                Pull(_stage._in);
            }
        }

        public override void OnPush()
        {
            var request = Grab(_stage._in);
            var virtualHost = Select(request);
            if (virtualHost is null)
            {
                _server.Troubles.NoVirtualHost(_peer, _listener, RequestLogLine.Escape(request["policy_context"] ?? ""));
                _serving.Model.Report(
                    null,
                    request,
                    TimeSpan.Zero,
                    new ChainOutcome(null, null, "no virtual host", s_noSession),
                    _server.Decisions);
                CompleteStage();
                return;
            }

            _serving.Model.LogReceived(virtualHost, request);
            _reservations.Begin(request.Instance);
            _askedAt = Stopwatch.GetTimestamp();
            var deadline = Environment.TickCount64 + _serving.RequestTimeout;
            _connection.Set(deadline);
            _answered ??= new StageCallback<PendingRequest>(this, OnAnswered).Tell;
            _asking = new PendingRequest(request, virtualHost, deadline, _answered, _server.Decisions.NewRecorder());
            _server.Statistics.Asked();
            _server.RouterOf(_asking.Instance).Tell(_asking, Akka.Actor.ActorRefs.NoSender);
        }

        /// <summary>
        /// By the model of now. One that has come in by a listener that is gone since, and is not told yet to end, is answered as before.
        /// </summary>
        private VirtualHost? Select(PolicyRequest request)
        {
            var now = _server.Serving;
            var virtualHost = now.Model.Select(_listener, request);
            if (virtualHost is null && now != _serving && !now.Model.Listeners.Contains(_listener))
            {
                return _serving.Model.Select(_listener, request);
            }

            _serving = now;
            return virtualHost;
        }

        public override void OnUpstreamFinish()
        {
            if (_asking is null)
            {
                _reservations.End();
                CompleteStage();
            }
        }

        /// <summary>
        /// The client has gone with a reset: its machine died, or it did not wait for the answer. No request is asked for meanwhile: the
        /// socket is read and written between requests alone.
        /// </summary>
        public override void OnDownstreamFinish(Exception cause)
        {
            _reservations.End();
            base.OnDownstreamFinish(cause);
        }

        public override void OnUpstreamFailure(Exception e)
        {
            if (e is not BadRequestException bad)
            {
                _server.Troubles.Failed(_peer, _listener, e);
                CompleteStage();
                return;
            }

            _server.Statistics.Malformed();
            _server.Troubles.Malformed(_peer, _listener, bad.Message);
            if (bad.Truncated)
            {
                _reservations.End();   // the client closed, in the middle of a request
            }

            AnswerError(canAnswer: !bad.Truncated);
        }

        private void OnAnswered(PendingRequest pending)
        {
            if (pending != _asking)
            {
                return;
            }

            _asking = null;
            _server.Statistics.Left();
            var outcome = pending.Outcome;
            _reservations.Answered(pending.Request, outcome);
            _server.Report(pending, Stopwatch.GetElapsedTime(_askedAt));
            if (outcome.IsOver)
            {
                pending.Request.Return();
            }

            if (outcome.Action is null)
            {
                CompleteStage();
                return;
            }

            Push(_stage._out, PolicyReply.EncodeOnce(outcome.Action));
            _answers++;
            if (IsClosed(_stage._in))
            {
                _reservations.End();
            }

            if (IsClosed(_stage._in) || IsDraining || _answers == _serving.MaxKeepalive)
            {
                CompleteStage();
                return;
            }

            WatchIdle();
        }

        private void OnSignal(ConnectionSignal signal)
        {
            if (signal == ConnectionSignal.Drain)
            {
                if (_asking is null)
                {
                    CompleteStage();
                }

                return;
            }

            if (!_connection.HasPassed(Environment.TickCount64))
            {
                return;   // the deadline moved on while the signal was on its way
            }

            _connection.Clear();
            if (_asking is not null)
            {
                AskedTooLong(_asking);
            }
            else if (_connection.ReceivingSince != 0)
            {
                _server.Statistics.TimedOut();
                _server.Troubles.ReceivedTooLong(_peer, _listener, _serving.RequestTimeout / 1000.0);
                AnswerError(canAnswer: true);
            }
            else
            {
                CompleteStage();
            }
        }

        private void AskedTooLong(PendingRequest asking)
        {
            if (!asking.TryAbandon())
            {
                return;
            }

            _asking = null;
            _server.Statistics.Left();
            _server.Statistics.TimedOut();
            var seconds = _serving.RequestTimeout / 1000.0;
            _server.Troubles.AskedTooLong(asking.VirtualHost.Name, LogValue.Quote(asking.Instance), seconds);
            var failure = string.Create(CultureInfo.InvariantCulture, $"no result within {seconds} s");
            _serving.Model.Report(
                asking.VirtualHost,
                asking.Request,
                Stopwatch.GetElapsedTime(_askedAt),
                new ChainOutcome(_serving.OnErrorAction, null, failure, s_noSession),
                _server.Decisions,
                asking.Recorder);
            AnswerError(canAnswer: true);
        }

        /// <summary>The global on_error answer, when there is one, and the end of the connection.</summary>
        private void AnswerError(bool canAnswer)
        {
            if (canAnswer && _serving.OnError is { } reply && IsAvailable(_stage._out))
            {
                Push(_stage._out, reply);
            }

            CompleteStage();
        }

        private void WatchIdle()
        {
            if (_serving.KeepaliveTimeout > 0)
            {
                _connection.Set(Environment.TickCount64 + _serving.KeepaliveTimeout);
            }
            else
            {
                _connection.Clear();
            }
        }
    }
}
