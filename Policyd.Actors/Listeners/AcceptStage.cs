using System.Net.Sockets;
using Akka.Streams;
using Akka.Streams.Stage;
using Policyd.Actors.Connections;

namespace Policyd.Actors.Listeners;

/// <summary>
/// The connections of one listener. One past the bound is closed at once, and the loop goes on: those that are served never
/// notice. While the limit of open files leaves no room, nothing is accepted; out of descriptors or memory all the same, it waits a
/// little instead of spinning. Completes when the listener is disposed.
/// </summary>
internal sealed class AcceptStage(PolicyListener listener, ServerContext server) : GraphStage<SourceShape<AcceptedConnection>>
{
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromMilliseconds(100);
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
            // What is not accepted needs no descriptor, and waits in the backlog.
            if (_server.Connections.Count >= _server.Serving.Room && !_server.Connections.IsDraining)
            {
                _server.Troubles.Waiting(_server.Serving.Room, _listener.Bound);
                ScheduleOnce(RetryTimer, s_retryDelay);
                return;
            }

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
            if (_server.Connections.TryEnter(_listener.Configured) is { } connection)
            {
                Push(_stage._out, new AcceptedConnection(socket, connection, _listener.Configured));
                return false;
            }

            if (!_server.Connections.IsDraining)
            {
                _server.Statistics.Refused();
                _server.Troubles.Refused(_server.Connections.Maximum, _listener.Bound);
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

            _server.Troubles.AcceptFailed(_listener.Bound, error.ToString());

            ScheduleOnce(RetryTimer, s_retryDelay);
        }
    }
}
