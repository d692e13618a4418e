using System.Net.Sockets;
using Akka.Streams;
using Akka.Streams.Stage;
using Policyd.Actors.Connections;
using Policyd.Actors.Server;
using Policyd.Plugins.Connections;

namespace Policyd.Actors.Listeners;

/// <summary>
/// The connections of one listener. One past the bound is closed at once, and the loop goes on: those that are served never
/// notice. Out of file descriptors or memory, it waits a little instead of spinning. Completes when the listener is disposed.
/// </summary>
internal sealed class AcceptStage(PolicyListener listener, ServerContext server) : GraphStage<SourceShape<AcceptedConnection>>
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);
    private readonly Outlet<AcceptedConnection> _out = new("Accept.out");

    public override SourceShape<AcceptedConnection> Shape => new(_out);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new Logic(this, listener, server);

    private sealed class Logic : TimerGraphStageLogic, IDisposable
    {
        private const string RetryTimer = "retry";
        private readonly AcceptStage _stage;
        private readonly PolicyListener _listener;
        private readonly ServerContext _server;
        private readonly SocketAsyncEventArgs _accepting = new();
        private readonly LogThrottle _refusals = new(TimeProvider.System);
        private readonly LogThrottle _failures = new(TimeProvider.System);

        public Logic(AcceptStage stage, PolicyListener listener, ServerContext server)
            : base(stage.Shape)
        {
            (_stage, _listener, _server) = (stage, listener, server);
            var done = GetAsyncCallback<SocketAsyncEventArgs>(_ =>
            {
                if (Accepted())
                {
                    Accept();
                }
            });
            _accepting.Completed += (_, args) => done(args);
            SetHandler(stage._out, onPull: Accept);
        }

        public override void PostStop() => Dispose();

        public void Dispose()
        {
            _listener.Dispose();
            _accepting.Dispose();
        }

        protected override void OnTimer(object timerKey) => Accept();

        private void Accept()
        {
            try
            {
                do
                {
                    _accepting.AcceptSocket = null;
                }
                while (!_listener.Socket.AcceptAsync(_accepting) && Accepted());
            }
            catch (ObjectDisposedException)
            {
                CompleteStage();
            }
        }

        /// <summary>True when the next one can be accepted at once: this one was refused.</summary>
        private bool Accepted()
        {
            if (_accepting.SocketError != SocketError.Success)
            {
                Failed(_accepting.SocketError);
                return false;
            }

            var socket = _accepting.AcceptSocket!;
            if (_server.Connections.TryEnter() is { } watch)
            {
                Push(_stage._out, new AcceptedConnection(socket, watch, _listener.Configured));
                return false;
            }

            if (!_server.Connections.IsDraining)
            {
                _server.Counters.Refused();
                if (_refusals.Enter(out var suppressed))
                {
                    ConnectionLog.Refused(_server.Logger, _server.Model.Options.MaxConnections, _listener.Bound, suppressed);
                }
            }

            socket.Dispose();
            return true;
        }

        private void Failed(SocketError error)
        {
            if (error is SocketError.OperationAborted or SocketError.Interrupted)
            {
                CompleteStage();
                return;
            }

            if (_failures.Enter(out var suppressed))
            {
                ConnectionLog.AcceptFailed(_server.Logger, _listener.Bound, error.ToString(), suppressed);
            }

            ScheduleOnce(RetryTimer, RetryDelay);
        }
    }
}
